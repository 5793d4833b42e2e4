"""A configuration of this dialect, as that of a job."""

import json
from typing import Any

import pytest

from stenod_server.domain.decoding import Decoding, VocabularyEntry
from stenod_server.domain.job import LowConfidenceAction, RemoteMedia
from stenod_server.domain.notification import Content, Method, Notification
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.errors import InvalidField, InvalidRequest
from stenod_server.rest.speechmatics import config as speechmatics_config
from stenod_server.rest.speechmatics.config import read_config, read_processing_data
from tests.unit.rest.speechmatics.asked import PLAIN, read, with_value


def test_what_a_job_needs_is_taken_over() -> None:
    text = json.dumps(
        {
            "type": "transcription",
            "transcription_config": {"language": "de", "operating_point": "enhanced"},
            "tracking": {"title": "t", "reference": "r", "tags": ["a"], "details": {"k": 1}},
        }
    )
    processing = read_processing_data('{"parallel_engines": 3, "user_id": "U"}')
    asked = read_config(text, processing, request_id="mine")
    config = asked.config
    assert (asked.model, config.language, config.parallel_engines, config.user_id) == ("enhanced", "de", 3, "U")
    assert (config.title, config.reference, config.tags, config.details_json) == ("t", "r", ("a",), '{"k": 1}')
    assert (config.origin.dialect, config.origin.request_id) == ("speechmatics", "mine")
    assert json.loads(config.origin.config_json) == json.loads(text)
    assert config.keep_media
    assert config.formatting.punctuation


def test_the_newer_name_of_a_model_goes_before_the_older_one() -> None:
    both = {"language": "en", "model": "standard", "operating_point": "enhanced"}
    assert read({"type": "transcription", "transcription_config": both}).model == "standard"


def test_words_to_listen_for_are_objects_or_plain_texts() -> None:
    items = [{"content": "gnocchi", "sounds_like": ["nyohki", "nokey"]}, "Sinn  Féin", {"content": "C3P0"}]
    config = read(with_value("transcription_config.additional_vocab", items)).config
    assert config.decoding == Decoding(
        vocabulary=(
            VocabularyEntry("gnocchi", ("nyohki", "nokey")),
            VocabularyEntry("Sinn Féin"),
            VocabularyEntry("C3P0"),
        )
    )
    assert config.warnings == ()
    assert json.loads(config.origin.config_json)["transcription_config"]["additional_vocab"] == items


def test_a_phrase_that_is_too_long_is_left_out_with_a_warning() -> None:
    config = read(with_value("transcription_config.additional_vocab", ["a b c d e f g", "Aoife"])).config
    assert config.decoding.vocabulary == (VocabularyEntry("Aoife"),)
    (warning,) = config.warnings
    assert warning.reason == "FIELD_WITHOUT_EFFECT"
    says = "phrases of more than 6 words are left out: 1"
    assert warning.message == f"transcription_config.additional_vocab: {says}"


def test_a_spelling_that_is_too_long_is_left_out_with_a_warning() -> None:
    items = [{"content": "Aoife", "sounds_like": ["a b c d e f g", "ee  fa"]}]
    config = read(with_value("transcription_config.additional_vocab", items)).config
    assert config.decoding.vocabulary == (VocabularyEntry("Aoife", ("ee fa",)),)
    assert [warning.message for warning in config.warnings] == [
        "transcription_config.additional_vocab: phrases of more than 6 words are left out: 1"
    ]


def test_expected_languages_are_taken_over() -> None:
    config = PLAIN | {
        "transcription_config": {"language": "auto"},
        "language_identification_config": {"expected_languages": ["de", "en"]},
    }
    assert read(config).config.expected_languages == ("de", "en")
    with pytest.raises(InvalidField, match=r"^language_identification_config.expected_languages: goes with"):
        read(config | {"transcription_config": {"language": "en"}})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (LowConfidenceAction.ALLOW, "")),
        ({"low_confidence_action": "allow"}, (LowConfidenceAction.ALLOW, "")),
        ({"low_confidence_action": "reject"}, (LowConfidenceAction.REJECT, "")),
        (
            {"low_confidence_action": "use_default_language", "default_language": "de"},
            (LowConfidenceAction.USE_DEFAULT_LANGUAGE, "de"),
        ),
    ],
)
def test_what_to_do_about_an_uncertain_language_is_taken_over(said: dict[str, str], expected: tuple[str, str]) -> None:
    config = read(PLAIN | {"transcription_config": {"language": "auto"}, "language_identification_config": said}).config
    assert (config.low_confidence_action, config.default_language) == expected


@pytest.mark.parametrize(
    ("language", "said", "named"),
    [
        ("de", {"low_confidence_action": "reject"}, "low_confidence_action: goes with language auto alone"),
        ("auto", {"low_confidence_action": "use_default_language"}, "default_language: must be a BCP-47 code"),
        ("auto", {"default_language": "de"}, "default_language: goes with low_confidence_action use_default_language"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(language: str, said: dict[str, str], named: str) -> None:
    config = PLAIN | {"transcription_config": {"language": language}, "language_identification_config": said}
    with pytest.raises(InvalidField, match=f"^language_identification_config.{named}"):
        read(config)


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("", "1.content: is empty"),
        ({"content": " "}, "1.content: is empty"),
        ({"content": "a", "sounds_like": ["b", ""]}, "1.sounds_like.1: is empty"),
        ({"content": "a", "sounds_like": ["a b c d e f g", ""]}, "1.sounds_like.1: is empty"),
        ({"content": 5}, "1.content: Input should be a valid string"),
        ({"sounds_like": ["a"]}, "1.content: is required"),
        ({"content": "a", "boost": 5}, "1.boost: there is no such key"),
        ({"content": "a" * 129}, "1.content: more than 128 allowed"),
    ],
)
def test_a_word_that_cannot_be_listened_for_is_named(item: object, named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(with_value("transcription_config.additional_vocab", ["a b c d e f g", item]))
    assert refused.value.message.startswith(f"transcription_config.additional_vocab.{named}")


def test_no_marks_permitted_are_no_marks() -> None:
    path = "transcription_config.punctuation_overrides.permitted_marks"
    assert not read(with_value(path, [])).config.formatting.punctuation
    assert read(with_value(path, None)).config.formatting.punctuation


def test_an_address_and_its_headers_are_the_recording_s() -> None:
    fetch = {"url": "https://host/a.wav", "auth_headers": ["Authorization: Bearer x:y", "X-Key:1"]}
    assert read(PLAIN | {"fetch_data": fetch}).remote == RemoteMedia(
        uri="https://host/a.wav", headers=(("Authorization", "Bearer x:y"), ("X-Key", "1"))
    )


def test_notifications_are_taken_over_and_their_secrets_are_not_kept_with_the_caller_s_words() -> None:
    given = {
        "url": "https://u:p@host/hook?token=secret",
        "contents": ["jobinfo", "transcript.txt"],
        "method": "put",
        "auth_headers": ["Authorization: Bearer secret"],
    }
    config = read(PLAIN | {"notification_config": [given, {"url": "https://host/b"}]}).config
    assert config.notifications == (
        Notification(
            url="https://u:p@host/hook?token=secret",
            contents=(Content.JOBINFO, Content.TXT),
            method=Method.PUT,
            headers=(("Authorization", "Bearer secret"),),
        ),
        Notification(url="https://host/b"),
    )
    assert "secret" not in config.origin.config_json
    assert "u:p" not in config.origin.config_json


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"notification_config": [{"url": "https://h/"}] * 4}, "notification_config"),
        ({"notification_config": [{"url": "https://h/", "contents": ["all"]}]}, "notification_config.0.contents"),
        ({"notification_config": [{"url": "https://h/", "contents": ["text"]}]}, "notification_config.0.contents"),
        ({"notification_config": [{"url": "https://h/", "method": "get"}]}, "notification_config.0.method"),
        ({"notification_config": [{"url": "s3://h", "auth_headers": [""]}]}, "notification_config.0.auth_headers.0"),
        ({"transcription_config": None}, "transcription_config"),
        ({"transcription_config": {}}, "transcription_config.language"),
        ({"transcription_config": {"language": "no language"}}, "transcription_config.language"),
        ({"transcription_config": {"language": 7}}, "transcription_config.language"),
        ({"type": "translation"}, "type"),
        ({"tracking": {"tags": ["a"] * 33}}, "tracking.tags"),
        ({"tracking": {"title": "x" * 256}}, "tracking.title"),
        ({"tracking": {"details": {"k": "x" * 20_000}}}, "tracking.details"),
        ({"tracking": {"details": {"k": 10**4000}}}, "tracking.details"),
        ({"translation_config": {"target_languages": ["de"] * 6}}, "translation_config.target_languages"),
        ({"output_config": {"srt_overrides": {"max_lines": 0}}}, "subtitles.max_lines"),  # the dialect says it its way
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(PLAIN | changes)
    assert refused.value.message.startswith(f"{named}: ")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"type": "transcription"', "[" * 10_000])
def test_what_is_no_configuration_is_named_as_that(text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        read(text)
    assert refused.value.field == "config"


def test_details_without_end_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(20):
        deep = {"k": deep}
    with pytest.raises(InvalidField, match=r"tracking\.details: is nested deeper than 16"):
        read(PLAIN | {"tracking": {"details": deep}})


def test_words_that_no_store_can_keep_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        read('{"type": "transcription", "transcription_config": {"language": "en"}, "tracking": {"title": "\\ud800"}}')
    with pytest.raises(InvalidRequest):
        read(
            '{"type": "transcription", "transcription_config": {"language": "en"}, "tracking": {"details": {"k": NaN}}}'
        )


def test_the_shape_of_subtitles_is_read() -> None:
    shape = speechmatics_config.subtitle_shape(
        {"output_config": {"srt_overrides": {"max_lines": 1, "max_line_length": None}}}
    )
    assert shape == SubtitleShape(max_lines=1)
    assert speechmatics_config.subtitle_shape({"output_config": None}) == SubtitleShape()
