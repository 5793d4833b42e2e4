"""The transcript of the Speechmatics batch API."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import given

from stenod_server.domain.diarization import Diarization
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import Job, JobConfig, Media, RemoteMedia
from stenod_server.domain.transcript import Entity, Segment, Speaker, Warning  # noqa: A004  the word the API uses
from stenod_server.text.json_v2 import JsonV2Extras
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import INFO, JOB, MONEY, make_segment, make_word, segments


def rendered(given_segments: Iterable[Segment], job: Job = JOB, extras: JsonV2Extras | None = None) -> dict[str, Any]:
    renderer = open_renderer(TranscriptFormat.JSON_V2, job, extras=extras)
    whole: dict[str, Any] = json.loads("".join(render(renderer, given_segments)))
    return whole


def of_words(*texts: str, **changes: Any) -> list[tuple[str, str]]:
    """(type, content) of the results of these words."""
    results = rendered([make_segment(" ".join(texts), **changes)])["results"]
    return [(result["type"], result["alternatives"][0]["content"]) for result in results]


def test_a_mark_is_a_result_of_its_own_at_the_end_of_its_word() -> None:
    word, mark = rendered([make_segment("Hello.")])["results"]
    assert word == {
        "type": "word",
        "start_time": 0.0,
        "end_time": 0.3,
        "alternatives": [{"content": "Hello", "confidence": 0.9, "language": "en", "speaker": "UU"}],
    }
    assert mark == {
        "type": "punctuation",
        "is_eos": True,
        "attaches_to": "previous",
        "start_time": 0.3,
        "end_time": 0.3,
        "alternatives": [{"content": ".", "confidence": 0.9, "language": "en", "speaker": "UU"}],
    }


def test_a_comma_ends_no_sentence_and_the_last_of_several_marks_does() -> None:
    results = rendered([make_segment("well, really?!")])["results"]
    assert [result.get("is_eos") for result in results] == [None, False, None, False, True]


def test_the_point_of_an_abbreviation_and_marks_inside_of_words_stay_where_they_are() -> None:
    assert of_words("Dr.", "O'Hara's", "3.14", "¿Qué?") == [
        ("word", "Dr."),
        ("word", "O'Hara's"),
        ("word", "3.14"),
        ("word", "¿Qué"),
        ("punctuation", "?"),
    ]


def test_the_answer_no_ends_a_sentence_and_the_number_does_not() -> None:
    results = rendered([make_segment("No. We")])["results"]
    assert [(r["alternatives"][0]["content"], r.get("is_eos")) for r in results[:2]] == [("No", None), (".", True)]
    assert of_words("No.") == of_words("No", ".") == [("word", "No"), ("punctuation", ".")]
    assert of_words("No.", "5") == [("word", "No."), ("word", "5")]
    assert of_words("'Nos.", "5.'") == [
        ("word", "'Nos."),
        ("word", "5"),
        ("punctuation", "."),
        ("punctuation", "'"),
    ]


def test_a_mark_that_stands_alone_attaches_to_nothing() -> None:
    [_, mark, _] = rendered([make_segment("so — it")])["results"]
    assert (mark["type"], mark["attaches_to"], mark["start_time"]) == ("punctuation", "none", mark["end_time"])


def test_a_word_that_begins_where_a_mark_stands_comes_after_it() -> None:
    touching = Segment(0, (make_word("one.", 0.0, 0.5), make_word("Two", 0.5, 0.9)))
    results = rendered([touching])["results"]
    assert [(r["alternatives"][0]["content"], r["start_time"]) for r in results] == [
        ("one", 0.0),
        (".", 0.5),
        ("Two", 0.501),
    ]


def test_speakers_and_channels_are_told() -> None:
    [word] = rendered([make_segment("yes", speaker="S2", channel="agent")])["results"]
    assert (word["channel"], word["alternatives"][0]["speaker"]) == ("agent", "S2")


def test_what_overlaps_is_in_the_order_of_time() -> None:
    slow = make_segment("a b c d", channel="1")
    quick = make_segment("x", index=1, start_s=0.5, channel="2")
    contents = [result["alternatives"][0]["content"] for result in rendered([slow, quick])["results"]]
    assert contents == ["a", "b", "x", "c", "d"]


def test_the_head_has_what_clients_need() -> None:
    job = replace(
        JOB,
        config=JobConfig(language="en", title="t", tags=("a",), details_json='{"k": 1}'),
        media=Media(key="k", file_name="a.wav"),
    )
    whole = rendered([], job)
    assert whole["format"] == "2.9"
    assert whole["job"] == {
        "id": "job-1",
        "created_at": "2026-01-01T00:00:00.000Z",
        "data_name": "a.wav",
        "duration": 12,
        "tracking": {"title": "t", "tags": ["a"], "details": {"k": 1}},
    }
    assert whole["metadata"]["type"] == "transcription"
    assert whole["metadata"]["orchestrator_version"].startswith("stenod-")
    assert whole["metadata"]["transcription_config"] == {"language": "en"}
    assert whole["metadata"]["language_pack_info"] == {
        "language_description": "English",
        "word_delimiter": " ",
        "writing_direction": "left-to-right",
        "itn": False,
        "adapted": False,
    }
    assert "language_identification" not in whole["metadata"]
    assert whole["results"] == []


def test_a_recording_without_a_name_goes_by_its_address_without_secrets() -> None:
    media = Media(key="", remote=RemoteMedia(uri="https://u:p@host/a.wav?signature=x"))
    assert rendered([], replace(JOB, media=media))["job"]["data_name"] == "https://host/a.wav"


def test_the_language_that_was_found_is_told_where_it_was_asked_for() -> None:
    heard = rendered([])["metadata"]["language_identification"]
    assert heard == {
        "results": [
            {"alternatives": [{"language": "en", "confidence": 0.98}], "start_time": 0, "end_time": 12.5},
        ],
        "error": None,
        "message": "",
    }
    silent = replace(JOB, info=replace(INFO, language="", language_confidence=0.0))
    assert rendered([], silent)["metadata"]["language_identification"]["error"] == "NO_SPEECH"


def test_a_language_that_is_not_certain_is_told_as_such() -> None:
    doubt = Warning("LANGUAGE_UNCERTAIN", "most like fr (0.40); taken for en")
    job = replace(JOB, info=replace(INFO, warnings=(Warning("DAMAGED_MEDIA", "3 frames"), doubt)))
    heard = rendered([], job)["metadata"]["language_identification"]
    assert (heard["error"], heard["message"]) == ("LOW_CONFIDENCE", doubt.message)
    assert heard["results"][0]["alternatives"] == [{"language": "en", "confidence": 0.98}]


def test_a_language_without_blanks_says_so() -> None:
    job = replace(JOB, info=replace(INFO, language="ja"))
    assert rendered([], job)["metadata"]["language_pack_info"]["word_delimiter"] == ""
    job = replace(JOB, info=replace(INFO, language="he-IL"))
    assert rendered([], job)["metadata"]["language_pack_info"]["writing_direction"] == "right-to-left"


def test_a_dialect_adds_its_configuration_and_what_is_not_there() -> None:
    extras = JsonV2Extras({"language": "en", "domain": "x"}, {"srt_overrides": {}}, {"translation": ("not built",)})
    metadata = rendered([], extras=extras)["metadata"]
    assert metadata["transcription_config"] == {"language": "en", "domain": "x"}
    assert metadata["output_config"] == {"srt_overrides": {}}
    assert metadata["translation_errors"] == [{"type": "unsupported", "message": "not built"}]


def test_an_entity_has_both_its_forms_and_its_mark_stands_behind_it() -> None:
    *_, entity, mark = rendered([MONEY])["results"]
    said = {"confidence": 0.9, "language": "en", "speaker": "UU"}
    assert entity == {
        "type": "entity",
        "entity_class": "money",
        "start_time": 0.8,
        "end_time": 1.5,
        "volume": 20.0,
        "written_form": [
            {"type": "word", "start_time": 0.8, "end_time": 1.5, "alternatives": [{"content": "$5", **said}]}
        ],
        "spoken_form": [
            {"type": "word", "start_time": 0.8, "end_time": 1.0, "alternatives": [{"content": "five", **said}]},
            {"type": "word", "start_time": 1.0, "end_time": 1.5, "alternatives": [{"content": "dollars", **said}]},
        ],
        "alternatives": [{"content": "$5", **said}],
    }
    assert (mark["type"], mark["start_time"], mark["attaches_to"]) == ("punctuation", 1.5, "previous")


def test_an_entity_of_several_words_is_one_result() -> None:
    texts = ["on", "May", "5,", "at", "3", "p.m.", "so"]
    words = tuple(make_word(text, 0.3 * n, 0.3 * n + 0.2) for n, text in enumerate(texts))
    entities = (Entity("date", 1, 2, words[1:3]), Entity("time", 4, 2, words[4:6]))
    results = rendered([Segment(0, words, entities=entities)])["results"]
    assert [(r["type"], r["alternatives"][0]["content"]) for r in results] == [
        ("word", "on"),
        ("entity", "May 5"),
        ("punctuation", ","),
        ("word", "at"),
        ("entity", "3 p.m."),
        ("word", "so"),
    ]
    assert [w["alternatives"][0]["content"] for w in results[1]["written_form"]] == ["May", "5"]


def test_words_have_their_volume_and_tags() -> None:
    first, second, *_ = rendered([MONEY])["results"]
    assert (first["volume"], first["alternatives"][0]["tags"]) == (41.25, ["disfluency"])
    assert "tags" not in second["alternatives"][0]
    assert "volume" not in rendered([make_segment("yes")])["results"][0]


def test_identifiers_of_speakers_are_told_where_they_were_asked_for() -> None:
    info = replace(INFO, speakers=(Speaker("S1", ("id-1", "id-2")), Speaker("UU")))
    job = replace(JOB, info=info)
    assert "speakers" not in rendered([], job)
    asked = replace(job, config=JobConfig(diarization=Diarization(return_identifiers=True)))
    assert rendered([], asked)["speakers"] == [{"label": "S1", "speaker_identifiers": ["id-1", "id-2"]}]


def test_languages_are_told_stretch_by_stretch() -> None:
    spoken = [replace(make_segment("a", start_s=n), language=code) for n, code in enumerate(["en", "en", "ja", "en"])]
    metadata = rendered(spoken)["metadata"]
    assert metadata["language_identification"]["results"] == [
        {"alternatives": [{"language": "en", "confidence": 0.98}], "start_time": 0.0, "end_time": 2.0},
        {"alternatives": [{"language": "ja"}], "start_time": 2.0, "end_time": 3.0},
        {"alternatives": [{"language": "en", "confidence": 0.98}], "start_time": 3.0, "end_time": 12.5},
    ]
    assert metadata["language_pack_info"]["per_language_word_delimiters"] == {"en": " ", "ja": ""}
    assert metadata["language_pack_info"]["per_language_writing_direction"] == dict.fromkeys(
        ("en", "ja"), "left-to-right"
    )
    assert "per_language_word_delimiters" not in rendered(spoken[:2])["metadata"]["language_pack_info"]


def test_itn_is_told_where_numbers_are_in_digits() -> None:
    def itn(language: str, formatting: Formatting) -> object:
        config = JobConfig(formatting=formatting)
        job = replace(JOB, config=config, info=replace(INFO, language=language))
        return rendered([], job)["metadata"]["language_pack_info"]["itn"]

    assert itn("en", Formatting()) is False
    assert itn("en", Formatting(numerals=True)) is True
    assert itn("en-GB", Formatting(entities=True)) is True
    assert itn("ja", Formatting(numerals=True)) is False


@given(segments())
def test_results_are_in_order_and_none_is_lost(given_segments: list[Segment]) -> None:
    results = rendered(given_segments)["results"]
    keys = [(result["start_time"], -result["end_time"]) for result in results]
    assert keys == sorted(keys)
    said = sorted("".join(result["alternatives"][0]["content"] for result in results))
    assert said == sorted("".join(word.text for segment in given_segments for word in segment.words))
    for result in results:
        [alternative] = result["alternatives"]
        assert alternative["speaker"]
        assert alternative["language"]
        assert isinstance(alternative["confidence"], float)
        assert result["start_time"] <= result["end_time"]


@given(segments())
def test_one_speaker_is_read_in_the_order_that_was_said(given_segments: list[Segment]) -> None:
    alone = [replace(segment, speaker="S1") for segment in given_segments[:1]]
    results = rendered(alone)["results"]
    read = "".join(result["alternatives"][0]["content"] for result in results)
    assert read == "".join(word.text for segment in alone for word in segment.words)
