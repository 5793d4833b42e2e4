"""What becomes of every key of a job's configuration: one table, which the documentation repeats. Nothing is ignored
that a caller could miss in the transcript.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from stenod_server.errors import InvalidField, UnsupportedFeature


class Outcome(StrEnum):
    """The value is how the documentation says it."""

    DONE = "done"
    NOTED = "accepted; the transcript says that it is missing"
    IGNORED = "accepted; of real-time transcription alone"
    UNBUILT = "refused: not built yet"
    REFUSED = "refused: there is none here"


@dataclass(frozen=True, slots=True)
class Key:
    """`path` has a dot at each step down, lists add none. `neutral`: values that ask for nothing, beside null, false
    and what is empty.
    """

    path: str
    outcome: Outcome
    neutral: Sequence[object] = ()


def _keys(outcome: Outcome, section: str, names: str) -> Sequence[Key]:
    prefix = f"{section}." if section else ""
    return tuple(Key(prefix + name, outcome) for name in names.split())


_T: Final = "transcription_config"
KEYS: Final[Sequence[Key]] = (
    Key("type", Outcome.REFUSED, neutral=("transcription",)),
    *_keys(Outcome.DONE, "", _T),
    *_keys(Outcome.DONE, _T, "language model operating_point"),
    *_keys(Outcome.DONE, _T, "output_locale"),
    *_keys(Outcome.REFUSED, _T, "domain"),
    *_keys(Outcome.DONE, _T, "diarization speaker_diarization_config"),
    *_keys(
        Outcome.DONE,
        f"{_T}.speaker_diarization_config",
        "speaker_sensitivity prefer_current_speaker get_speakers speakers max_speakers",
    ),
    *_keys(Outcome.DONE, _T, "channel_diarization_labels"),
    *_keys(Outcome.DONE, _T, "additional_vocab punctuation_overrides"),
    *_keys(Outcome.DONE, f"{_T}.punctuation_overrides", "sensitivity permitted_marks"),
    *_keys(Outcome.DONE, _T, "enable_entities audio_filtering_config"),
    *_keys(Outcome.DONE, f"{_T}.audio_filtering_config", "volume_threshold"),
    *_keys(Outcome.DONE, _T, "transcript_filtering_config"),
    *_keys(Outcome.DONE, f"{_T}.transcript_filtering_config", "remove_disfluencies replacements"),
    *_keys(Outcome.IGNORED, _T, "enable_partials max_delay max_delay_mode"),
    *_keys(Outcome.UNBUILT, _T, "language_hints language_hints_strict"),
    *_keys(Outcome.DONE, "", "fetch_data"),
    *_keys(Outcome.DONE, "fetch_data", "url auth_headers"),
    *_keys(Outcome.REFUSED, "", "fetch_text alignment_config"),
    *_keys(Outcome.DONE, "", "notification_config"),
    *_keys(Outcome.DONE, "notification_config", "url contents method auth_headers"),
    *_keys(Outcome.DONE, "", "tracking"),
    *_keys(Outcome.DONE, "tracking", "title reference tags details"),
    *_keys(Outcome.NOTED, "", "translation_config"),
    *_keys(Outcome.NOTED, "translation_config", "target_languages"),
    *_keys(Outcome.IGNORED, "translation_config", "enable_partials"),
    *_keys(Outcome.DONE, "", "language_identification_config"),
    *_keys(
        Outcome.DONE,
        "language_identification_config",
        "expected_languages low_confidence_action default_language",
    ),
    *_keys(Outcome.NOTED, "", "summarization_config"),
    *_keys(Outcome.NOTED, "summarization_config", "content_type summary_length summary_type"),
    *_keys(Outcome.NOTED, "", "sentiment_analysis_config"),
    *_keys(Outcome.NOTED, "sentiment_analysis_config", "enable_sentiment"),
    *_keys(Outcome.NOTED, "", "topic_detection_config"),
    *_keys(Outcome.NOTED, "topic_detection_config", "topics"),
    *_keys(Outcome.NOTED, "", "auto_chapters_config"),
    *_keys(Outcome.NOTED, "auto_chapters_config", "enable_chapters"),
    *_keys(Outcome.NOTED, "", "audio_events_config"),
    *_keys(Outcome.NOTED, "audio_events_config", "types"),
    *_keys(Outcome.DONE, "", "output_config"),
    *_keys(Outcome.DONE, "output_config", "srt_overrides"),
    *_keys(Outcome.DONE, "output_config.srt_overrides", "max_line_length max_lines"),
    *_keys(Outcome.UNBUILT, "output_config", "generate_lattice"),
)  # fmt: skip

_FEATURES: Final = tuple(key.path for key in KEYS if key.outcome is Outcome.NOTED and "." not in key.path)
_NO_ALIGNMENT: Final = "only 'transcription' is done here, no alignment of texts"
_REFUSALS: Final[Mapping[str, str]] = {
    "type": _NO_ALIGNMENT,
    "fetch_text": _NO_ALIGNMENT,
    "alignment_config": _NO_ALIGNMENT,
    "transcription_config.domain": "there are no language packs for domains",
}


def check(config: Mapping[str, Any]) -> None:
    """Raises UnsupportedFeature, InvalidField for what a configuration asks for and cannot have."""
    for key in KEYS:
        value = _at(config, key.path)
        if key.outcome not in {Outcome.UNBUILT, Outcome.REFUSED} or _asks_nothing(value, key):
            continue
        if key.outcome is Outcome.UNBUILT:
            raise UnsupportedFeature(key.path)
        raise InvalidField(key.path, _REFUSALS[key.path])


def missing_features(config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """The features that a configuration asks for and that the transcript must say it lacks, by their names in it."""
    return {
        path.removesuffix("_config"): (f"{path}: this feature is not built; the transcript is complete without it",)
        for path in _FEATURES
        if config.get(path) is not None
    }


def _at(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _asks_nothing(value: object, key: Key) -> bool:
    return value is None or value is False or value in ("", [], {}) or value in key.neutral
