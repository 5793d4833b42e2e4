"""What becomes of each field: a case for every row of the table, and the table in the docs is this one."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pytest

from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import Media
from stenod_server.errors import InvalidField, LimitExceeded, StenodError, UnsupportedFeature
from stenod_server.rest.openai.fields import FIELDS, MEDIA, Outcome
from stenod_server.rest.openai.request import Granularity, ResponseFormat, TranscriptionRequest, read_request
from stenod_server.rest.received import ReceivedForm
from tests.support.speech import PROJECT_ROOT

RECORDING: Final = Media(key="media/1", size_bytes=4, sha256="a")
ALIASES: Final = {"whisper-1": "base", "*": ""}


def ask(
    *fields: tuple[str, str],
    media: Media | None = RECORDING,
    aliases: Any = ALIASES,
    task: Task = Task.TRANSCRIBE,
) -> TranscriptionRequest:
    given = list(fields) if "model" in dict(fields) else [("model", "any"), *fields]
    form = ReceivedForm(fields=given, media=media)
    return read_request(form, request_id="r", aliases=aliases, loaded={"base": 1, "large": 1}, task=task)


def warned(*fields: tuple[str, str]) -> list[str]:
    warnings = ask(*fields).config.warnings
    assert {warning.reason for warning in warnings} <= {"FIELD_WITHOUT_EFFECT"}
    return [warning.message.partition(":")[0] for warning in warnings]


def refusal(*fields: tuple[str, str], task: Task = Task.TRANSCRIBE) -> StenodError:
    with pytest.raises((InvalidField, LimitExceeded, UnsupportedFeature)) as caught:
        ask(*fields, task=task)
    return caught.value


# (field, values that have their effect, where the model can, or need none, values that are accepted with a warning,
# values that are refused)
CASES: Final[Sequence[tuple[str, Sequence[str], Sequence[str], Sequence[str]]]] = (
    ("model", ["whisper-1", "large"], [], [""]),
    ("language", ["en", "pt-BR", "auto", ""], [], ["en_GB", "x" * 40]),
    ("response_format", ["json", "text", "srt", "vtt", "verbose_json", "diarized_json", ""], [], ["xml"]),
    ("stream", ["true", "false", "True", ""], [], ["maybe"]),
    ("prompt", ["", "Stenod, Triton", "x" * 5000], [], []),
    ("temperature", ["0", "0.0", ""], ["0.2", "1"], ["2", "-1", "hot", "nan"]),
    ("languages", ["en", ""], ["en_GB", "auto", "x" * 40], []),
    ("keywords", ["Triton", ""], ["one two three four five six seven", "x" * 129], []),
    ("hotwords", ["Triton, stenod", "", " , "], ["one two three four five six seven", "x" * 129], []),
    ("chunking_strategy", ["auto"], ['{"type": "server_vad"}'], []),
    ("chunking_strategy[type]", ["auto"], ["server_vad"], ["by_moonlight"]),
    ("chunking_strategy[threshold]", [], ["0.5"], []),
    ("chunking_strategy[prefix_padding_ms]", [], ["300"], []),
    ("chunking_strategy[silence_duration_ms]", [], ["200"], []),
    ("vad_filter", ["true"], ["false"], ["maybe"]),
    ("without_timestamps", ["false"], ["true"], ["maybe"]),
    ("include", [], [], ["logprobs"]),
    ("known_speaker_names", ["agent"], [], []),
    ("known_speaker_references", ["data:audio/wav;base64,AAAA"], [], []),
)
LISTS: Final = [field.name for field in FIELDS if field.is_list]


def spelt(name: str) -> list[str]:
    return [name, f"{name}[]"] if name in LISTS else [name]


@pytest.mark.parametrize(
    ("name", "value"), [(n, value) for name, done, _, _ in CASES for n in spelt(name) for value in done]
)
def test_a_value_that_has_its_effect_is_not_warned_of(name: str, value: str) -> None:
    assert warned((name, value)) == []


@pytest.mark.parametrize(
    ("name", "value"), [(n, value) for name, _, hints, _ in CASES for n in spelt(name) for value in hints]
)
def test_a_hint_without_effect_is_accepted_with_a_warning(name: str, value: str) -> None:
    assert warned((name, value)) == [name.removesuffix("[]")]


@pytest.mark.parametrize(
    ("name", "value"), [(n, value) for name, _, _, refused in CASES for n in spelt(name) for value in refused]
)
def test_what_cannot_be_done_is_refused_by_name(name: str, value: str) -> None:
    error = refusal((name, value))
    assert re.split(r"[\[.]", getattr(error, "field", ""))[0] == name.partition("[")[0]


def test_every_row_has_a_case() -> None:
    assert {name for name, *_ in CASES} | {MEDIA, "timestamp_granularities"} == {field.name for field in FIELDS}


def test_a_field_of_no_row_is_refused_by_name() -> None:
    assert refusal(("diarize", "true")).metadata["field"] == "diarize"


def test_a_field_may_be_given_once_and_a_list_as_often_as_needed() -> None:
    assert refusal(("language", "en"), ("language", "de")).metadata["field"] == "language"
    assert ask(("keywords[]", "a"), ("keywords", "b")).config.decoding.vocabulary


def test_words_to_listen_for_and_a_prompt_are_hints() -> None:
    fields = [
        ("keywords[]", "Sinn  Féin"),
        ("keywords", "Aoife"),
        ("hotwords", "Triton, stenod"),
        ("prompt", " Harps. "),
    ]
    assert ask(*fields).config.decoding == Decoding(
        vocabulary=tuple(map(VocabularyEntry, ("Sinn Féin", "Aoife", "Triton", "stenod"))),
        prompt="Harps.",
        hints=(
            Hint(Option.VOCABULARY, "keywords"),
            Hint(Option.VOCABULARY, "hotwords"),
            Hint(Option.PROMPT, "prompt"),
        ),
    )
    assert ask(("prompt", "")).config.decoding == Decoding()


def test_of_a_prompt_that_is_too_long_the_end_counts() -> None:
    assert ask(("prompt", "a" * 5000 + "b" * 4096)).config.decoding.prompt == "b" * 4096


def test_of_words_to_listen_for_that_are_too_long_or_too_many_the_others_count() -> None:
    config = ask(*[("keywords", "a")] * 998, ("keywords", "x" * 129), ("hotwords", "b,c,d, a b c d e f g")).config
    assert [entry.content for entry in config.decoding.vocabulary] == ["a"] * 998 + ["b", "c"]
    says = "phrases of more than 6 words or 128 characters, and all after the first 1000, are left out"
    assert [warning.message for warning in config.warnings] == [f"keywords: {says}: 1", f"hotwords: {says}: 2"]
    assert warned(*[("keywords", "a")] * 1001) == ["keywords"]


def test_languages_are_those_to_expect_unless_one_is_given() -> None:
    asked = [("languages[]", "de"), ("languages", "en")]
    assert ask(*asked).config.expected_languages == ("de", "en")
    assert ask(*asked, ("language", "fr")).config.expected_languages == ()
    assert warned(*asked, ("language", "fr")) == ["languages"]


def test_of_languages_those_count_that_can_be_expected() -> None:
    config = ask(*[("languages", code) for code in ("auto", "de", "en_GB", *(f"l{n}" for n in range(21)))]).config
    assert config.expected_languages == ("de", *(f"l{n}" for n in range(19)))
    assert config.expected_hint == "languages"
    too_many = [("languages[]", "en")] * 21
    assert (warned(*too_many), warned(*too_many[1:])) == (["languages"], [])
    assert warned(*too_many, ("languages", "auto"), ("language", "fr")) == ["languages"]
    assert ask(("languages", "auto")).config.expected_hint == ""


def test_a_recording_must_be_sent() -> None:
    with pytest.raises(InvalidField, match="file: is missing"):
        ask(media=None)


def test_a_model_must_be_named() -> None:
    with pytest.raises(InvalidField, match="model: is missing"):
        read_request(ReceivedForm(media=RECORDING), request_id="", aliases=ALIASES, loaded={})


@pytest.mark.parametrize(
    ("name", "model"), [("whisper-1", "base"), ("large", "large"), ("gpt-9-transcribe", ""), ("base", "base")]
)
def test_a_model_goes_by_its_own_name_or_by_an_alias(name: str, model: str) -> None:
    assert ask(("model", name)).config.model == model


def test_a_name_that_nothing_stands_for_is_kept_to_be_refused() -> None:
    assert ask(("model", "gpt-9"), aliases={}).config.model == "gpt-9"


@pytest.mark.parametrize("name", spelt("timestamp_granularities"))
def test_granularities_are_those_asked_for_and_segments_by_default(name: str) -> None:
    verbose = ("response_format", "verbose_json")
    assert ask(verbose).granularities == {Granularity.SEGMENT}
    assert ask(verbose, (name, "word")).granularities == {Granularity.WORD}
    assert ask(verbose, (name, "word"), (name, "segment")).granularities == set(Granularity)
    assert refusal(verbose, (name, "syllable")).metadata["field"] == "timestamp_granularities"


@pytest.mark.parametrize(
    "response_format", [form for form in ResponseFormat if form is not ResponseFormat.VERBOSE_JSON]
)
def test_granularities_go_with_verbose_json_alone(response_format: str) -> None:
    error = refusal(("response_format", response_format), ("timestamp_granularities[]", "word"))
    assert error.metadata["field"] == "timestamp_granularities"


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_a_stream_is_text(response_format: str) -> None:
    assert refusal(("stream", "true"), ("response_format", response_format)).metadata["field"] == "stream"
    assert not ask(("stream", "false"), ("response_format", response_format)).stream


def test_the_job_says_where_it_came_from() -> None:
    config = ask(("language", "en")).config
    assert (config.origin.dialect, config.origin.request_id, config.language) == ("openai", "r", "en")


def test_the_table_of_the_docs_is_the_one_in_the_code() -> None:
    page = (PROJECT_ROOT / "docs" / "dialects" / "openai.md").read_text()
    fields = page.partition("## Fields")[2].partition("## Models")[0]
    rows = [line for line in fields.splitlines() if line.startswith("| `")]
    assert rows == [f"| {_names(field.names)} | {field.outcome} | {field.says} |" for field in FIELDS]
    assert {field.outcome for field in FIELDS} == set(Outcome)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


@pytest.mark.parametrize("model", ["any", "gpt-4o-transcribe-diarize"])
def test_speakers_are_told_apart_where_the_answer_has_a_place_for_them(model: str) -> None:
    assert ask(("model", model), ("response_format", "diarized_json")).config.diarization == Diarization(
        mode=DiarizationMode.SPEAKER
    )
    assert ask(("model", model), ("response_format", "json")).config.diarization == Diarization()
    assert ask(("stream", "true"), ("response_format", "diarized_json")).stream


def test_speakers_are_of_transcriptions_alone() -> None:
    refused = refusal(("response_format", "diarized_json"), task=Task.TRANSLATE)
    assert refused.message == "response_format: diarized_json goes with transcriptions alone"
