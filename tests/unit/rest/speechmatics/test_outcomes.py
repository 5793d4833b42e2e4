"""Every key of a configuration has an outcome: as the table says, as the documentation says, and as it is."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

from stenod_server.errors import InvalidField, InvalidRequest, UnsupportedFeature
from stenod_server.rest.speechmatics.outcomes import KEYS, Key, Outcome
from stenod_server.rest.speechmatics.transcripts import open_transcript
from stenod_server.rest.speechmatics.wire import KnownSpeaker, Replacement, VocabularyItem, WireConfig
from stenod_server.text.render import TranscriptFormat, render
from tests.support.speech import PROJECT_ROOT
from tests.unit.rest.speechmatics.asked import PLAIN, read, with_value
from tests.unit.text.transcripts import JOB, make_segment

DOCUMENT: Final = PROJECT_ROOT / "docs" / "dialects" / "speechmatics.md"
_T: Final = "transcription_config"
_NOTIFICATION: Final[dict[str, Any]] = {"url": "https://example.com/hook"}

# For every key a value that asks for something. The outcomes are said here once more, and not as the server has them.
DONE: Final[dict[str, Any]] = {
    _T: {"language": "de"},
    f"{_T}.language": "de",
    f"{_T}.model": "enhanced",
    f"{_T}.operating_point": "standard",
    f"{_T}.speaker_diarization_config": {},
    f"{_T}.additional_vocab": [{"content": "stenod", "sounds_like": ["steno dee"]}, "Triton"],
    f"{_T}.punctuation_overrides": {"permitted_marks": []},
    f"{_T}.audio_filtering_config": {},
    f"{_T}.transcript_filtering_config": {},
    f"{_T}.output_locale": "en-US",
    f"{_T}.punctuation_overrides.permitted_marks": ["."],
    f"{_T}.punctuation_overrides.sensitivity": 0.9,
    f"{_T}.enable_entities": True,
    f"{_T}.audio_filtering_config.volume_threshold": 3.5,
    f"{_T}.transcript_filtering_config.remove_disfluencies": True,
    f"{_T}.transcript_filtering_config.replacements": [{"from": "a", "to": "b"}],
    f"{_T}.diarization": "speaker",
    f"{_T}.speaker_diarization_config.speaker_sensitivity": 0.7,
    f"{_T}.speaker_diarization_config.prefer_current_speaker": True,
    f"{_T}.speaker_diarization_config.get_speakers": True,
    f"{_T}.speaker_diarization_config.speakers": [{"label": "Ann", "speaker_identifiers": ["x"]}],
    f"{_T}.speaker_diarization_config.max_speakers": 2,
    f"{_T}.channel_diarization_labels": ["agent"],
    "fetch_data": {"url": "https://example.com/a.wav"},
    "fetch_data.url": "https://example.com/a.wav",
    "fetch_data.auth_headers": ["X-Key: 1"],
    "notification_config": [_NOTIFICATION],
    "notification_config.url": "https://example.com/hook",
    "notification_config.contents": ["jobinfo", "transcript.srt"],
    "notification_config.method": "put",
    "notification_config.auth_headers": ["X-Key: 1"],
    "tracking": {},
    "tracking.title": "t",
    "tracking.reference": "r",
    "tracking.tags": ["a"],
    "tracking.details": {"k": [1, None, {"deep": True}]},
    "language_identification_config": {},
    "language_identification_config.expected_languages": ["en"],
    "language_identification_config.low_confidence_action": "reject",
    "language_identification_config.default_language": "en",
    "output_config": {},
    "output_config.srt_overrides": {},
    "output_config.srt_overrides.max_line_length": 20,
    "output_config.srt_overrides.max_lines": 1,
}
NOTED: Final[dict[str, Any]] = {
    "translation_config": {"target_languages": ["de"]},
    "translation_config.target_languages": ["de"],
    "summarization_config": {},
    "summarization_config.content_type": "auto",
    "summarization_config.summary_length": "brief",
    "summarization_config.summary_type": "bullets",
    "sentiment_analysis_config": {},
    "sentiment_analysis_config.enable_sentiment": True,
    "topic_detection_config": {},
    "topic_detection_config.topics": ["news"],
    "auto_chapters_config": {},
    "auto_chapters_config.enable_chapters": True,
    "audio_events_config": {},
    "audio_events_config.types": ["music"],
}
IGNORED: Final[dict[str, Any]] = {
    f"{_T}.enable_partials": True,
    f"{_T}.max_delay": 2.5,
    f"{_T}.max_delay_mode": "fixed",
    "translation_config.enable_partials": True,
}
UNBUILT: Final[dict[str, Any]] = {
    f"{_T}.language_hints": ["de"],
    f"{_T}.language_hints_strict": True,
    "output_config.generate_lattice": True,
}
REFUSED: Final[dict[str, Any]] = {
    "type": "alignment",
    f"{_T}.domain": "medical",
    "fetch_text": {"url": "https://example.com/a.txt"},
    "alignment_config": {"language": "en"},
}
TRIALS: Final = {
    Outcome.DONE: DONE,
    Outcome.NOTED: NOTED,
    Outcome.IGNORED: IGNORED,
    Outcome.UNBUILT: UNBUILT,
    Outcome.REFUSED: REFUSED,
}


def config_of(path: str, value: object) -> dict[str, Any]:
    """What must stand beside the key is there, too."""
    if path.startswith("notification_config."):
        return PLAIN | {"notification_config": [_NOTIFICATION | {path.partition(".")[2]: value}]}
    config = with_value(path, value)
    if path.startswith("fetch_data."):
        config["fetch_data"].setdefault("url", "https://example.com/a.wav")
    if path.startswith("translation_config."):
        config["translation_config"].setdefault("target_languages", ["de"])
    if path.startswith("language_identification_config."):
        config[_T]["language"] = "auto"
    if path == "language_identification_config.default_language" and value:
        config["language_identification_config"]["low_confidence_action"] = "use_default_language"
    if path.startswith(f"{_T}.speaker_diarization_config."):
        config[_T]["diarization"] = "speaker"
    if path == f"{_T}.channel_diarization_labels":
        config[_T]["diarization"] = "channel"
    if path == _T:
        config[_T]["language"] = "de"
    return config


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for part in _models(field.annotation):
            yield from keys_of(part, f"{prefix}{name}.")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The sections below a key; items of lists that are refused whole have no keys of their own."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in (VocabularyItem, KnownSpeaker, Replacement):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)


def test_every_key_that_is_read_has_an_outcome_and_a_trial() -> None:
    read_keys = {key for key in keys_of(WireConfig) if not re.match(r"(fetch_text|alignment_config)\.", key)}
    assert {key.path for key in KEYS} == read_keys
    assert len(KEYS) == len(read_keys)
    assert {key.path: key.outcome for key in KEYS} == {
        path: outcome for outcome, trials in TRIALS.items() for path in trials
    }


def test_the_documentation_says_the_same() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([^|]+?) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(key.path, str(key.outcome)) for key in KEYS]


@pytest.mark.parametrize("path", [*DONE, *NOTED, *IGNORED])
def test_a_key_is_accepted(path: str) -> None:
    value = {**DONE, **NOTED, **IGNORED}[path]
    read(config_of(path, value))


@pytest.mark.parametrize("path", UNBUILT)
def test_a_key_whose_feature_is_not_built_is_refused_by_name(path: str) -> None:
    with pytest.raises(UnsupportedFeature) as refused:
        read(config_of(path, UNBUILT[path]))
    assert refused.value.message == f"{path}: this feature is not built yet"


@pytest.mark.parametrize("path", REFUSED)
def test_a_key_that_can_never_be_done_is_refused_by_name(path: str) -> None:
    with pytest.raises(InvalidField) as refused:
        read(config_of(path, REFUSED[path]))
    assert refused.value.field == path


@pytest.mark.parametrize("key", [key for key in KEYS if key.outcome in {Outcome.UNBUILT, Outcome.REFUSED}], ids=str)
def test_a_value_that_asks_for_nothing_is_accepted(key: Key) -> None:
    for value in (*key.neutral, *([] if key.path == "type" else [None])):
        read(config_of(key.path, value))


@pytest.mark.parametrize("key", [key for key in KEYS if key.path not in {"type", _T, f"{_T}.language"}], ids=str)
def test_null_is_as_good_as_nothing(key: Key) -> None:
    needed = {"fetch_data.url", "notification_config.url", "translation_config.target_languages"}
    if key.path not in needed:
        read(config_of(key.path, None))


@pytest.mark.parametrize("path", NOTED)
def test_a_feature_that_is_missing_is_told_beside_the_transcript(path: str) -> None:
    asked = read(config_of(path, NOTED[path]))
    job = replace(JOB, config=asked.config)
    pieces = render(open_transcript(TranscriptFormat.JSON_V2, job), [make_segment("so it goes")])
    whole = json.loads("".join(pieces))
    feature = path.partition("_config")[0]
    [error] = whole["metadata"][f"{feature}_errors"]
    assert set(error) == {"type", "message"}
    assert f"{feature}_config" in error["message"]
    assert len(whole["results"]) == 3


def test_a_feature_that_nobody_asked_for_is_not_told_of() -> None:
    job = replace(JOB, config=read(PLAIN | {"translation_config": None}).config)
    whole = json.loads("".join(render(open_transcript(TranscriptFormat.JSON_V2, job), [])))
    assert not [name for name in whole["metadata"] if name.endswith("_errors")]


@pytest.mark.parametrize(
    "path",
    ["surprise", f"{_T}.surprise", "tracking.surprise", "fetch_data.surprise", "output_config.srt_overrides.surprise"],
)
def test_a_key_that_does_not_exist_is_refused_by_name(path: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(config_of(path, 1))
    assert refused.value.message == f"{path}: there is no such key"
