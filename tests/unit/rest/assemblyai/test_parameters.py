"""Every parameter of `/transcribe/url` has an outcome: one row each of docs/dialects/assemblyai.md."""

import json
from typing import Any

import pytest

from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.transcript import Warning  # noqa: A004
from stenod_server.errors import InvalidField, StenodError
from stenod_server.rest.assemblyai.parameters import read_parameters
from stenod_server.rest.services import DialectOptions
from tests.support.speech import PROJECT_ROOT

URL = "https://cdn.example.com/call.wav"


def read(**given: Any) -> Any:
    return read_parameters({"audio_url": URL, **given})


def config(**given: Any) -> Any:
    return read(**given).config(DialectOptions(), request_id="r1")


def test_what_is_left_out_has_the_default_of_that_system() -> None:
    parameters = read()
    assert (parameters.audio_url, parameters.format_text, parameters.punctuate) == (URL, True, True)
    assert (parameters.start_s, parameters.end_s) == (0.0, 0.0)


@pytest.mark.parametrize("name", ["dual_channel", "format_text", "punctuate", "audio_start_from", "audio_end_at"])
def test_null_is_as_good_as_left_out(name: str) -> None:
    assert config(**{name: None}).formatting.punctuation is True


def test_the_times_are_milliseconds_of_the_recording() -> None:
    assert (config(audio_start_from=8000).start_s, config(audio_end_at=20500).end_s) == (8.0, 20.5)


def test_punctuate_false_asks_for_none() -> None:
    assert config(punctuate=False).formatting.punctuation is False


def test_format_text_is_digits_and_capitals() -> None:
    assert config().formatting == Formatting(numerals=True)
    assert config(format_text=False).formatting == Formatting(casing=False)


def test_the_words_of_the_call_are_kept_with_the_job() -> None:
    origin = config(punctuate=False).origin
    assert (origin.dialect, origin.request_id) == ("assemblyai", "r1")
    assert json.loads(origin.config_json) == {"audio_url": URL, "punctuate": False}


def test_the_node_can_take_punctuation_from_every_call_and_warn_with_every_job() -> None:
    warning = Warning("BEAM_SIZE_CLAMPED", "as it is")
    options = DialectOptions(assemblyai_punctuation=False, assemblyai_warnings=(warning,))
    made = read(punctuate=True).config(options, request_id="")
    assert (made.formatting.punctuation, made.warnings) == (False, (warning,))


def test_dual_channel_tells_channels_apart_by_their_numbers() -> None:
    asked = config(dual_channel=True).diarization
    assert asked.mode is DiarizationMode.CHANNEL
    assert [asked.channel_label(channel) for channel in range(3)] == ["1", "2", "3"]
    assert config(dual_channel=False).diarization == config().diarization == Diarization()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"audio_url": None}, "audio_url: is missing"),
        ({"audio_url": ""}, "audio_url: is missing"),
        ({"audio_url": 7}, "audio_url: must be a text"),
        ({"dual_channel": "yes"}, "dual_channel: must be true or false"),
        ({"format_text": 1}, "format_text: must be true or false"),
        ({"punctuate": "false"}, "punctuate: must be true or false"),
        ({"audio_start_from": -1}, "audio_start_from: must be a whole number"),
        ({"audio_start_from": 1.5}, "audio_start_from: must be a whole number"),
        ({"audio_start_from": True}, "audio_start_from: must be a whole number"),
        ({"audio_end_at": "20000"}, "audio_end_at: must be a whole number"),
        ({"audio_end_at": 10**400}, "audio_end_at: must be a whole number"),
        ({"audio_end_at": 0}, "audio_end_at: must be after audio_start_from"),
        ({"audio_start_from": 9000, "audio_end_at": 9000}, "audio_end_at: must be after audio_start_from"),
        ({"speaker_labels": True}, "'speaker_labels': no such parameter"),
        ({"a\ud800": 1}, r"'a\\ud800': no such parameter"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        read(**given)
    assert named in refusal.value.message.replace("\\u", "\\\\u")
    assert isinstance(refusal.value, StenodError)


def test_the_document_has_a_row_for_each_parameter() -> None:
    text = (PROJECT_ROOT / "docs" / "dialects" / "assemblyai.md").read_text()
    for name in ("audio_url", "dual_channel", "format_text", "punctuate", "audio_start_from", "audio_end_at"):
        assert f"| `{name}` |" in text


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, ()),
        ({"punctuate": None, "format_text": False}, ()),
        ({"punctuate": True, "format_text": True}, ("punctuation", "casing")),
    ],
)
def test_marks_and_capitals_are_asked_for_where_a_call_says_so(given: dict[str, Any], asked: tuple[str, ...]) -> None:
    parameters = read_parameters({"audio_url": "https://host/a.wav", **given})
    assert parameters.config(DialectOptions(), request_id="r").formatting.asked == asked
