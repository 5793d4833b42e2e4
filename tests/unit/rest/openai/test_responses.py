import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from openai.types.audio import TranscriptionDiarized

from stenod_server.domain.job import JobConfig, JobState, Media
from stenod_server.domain.transcript import Segment, Word
from stenod_server.rest.openai.languages import language_name
from stenod_server.rest.openai.request import Granularity, ResponseFormat, TranscriptionRequest
from stenod_server.rest.openai.responses import answer
from tests.support.builders import make_info, make_job, make_segment

SEGMENTS = (make_segment(0), make_segment(2, "and more"))
TEXT = "so it goes and more"


async def body(
    response_format: ResponseFormat,
    segments: Sequence[Segment] = SEGMENTS,
    *granularities: Granularity,
    language: str = "en",
) -> tuple[str, str]:
    """(content type, body)"""

    async def stream() -> AsyncIterator[Segment]:
        for segment in segments:
            yield segment

    asked = TranscriptionRequest(Media(key="k"), JobConfig(), response_format, frozenset(granularities), stream=False)
    job = make_job(state=JobState.SUCCEEDED, info=make_info(language=language))
    response = await answer(asked, job, stream())
    return response.headers["content-type"], bytes(response.body).decode()


async def verbose(*granularities: Granularity, segments: Sequence[Segment] = SEGMENTS, language: str = "en") -> Any:
    content_type, text = await body(ResponseFormat.VERBOSE_JSON, segments, *granularities, language=language)
    assert content_type == "application/json"
    return json.loads(text)


async def test_json_has_text_and_usage() -> None:
    content_type, text = await body(ResponseFormat.JSON)
    assert content_type == "application/json"
    assert json.loads(text) == {"text": TEXT, "usage": {"type": "duration", "seconds": 10.0}}


async def test_text_is_one_line() -> None:
    assert await body(ResponseFormat.TEXT) == ("text/plain; charset=utf-8", f"{TEXT}\n")


@pytest.mark.parametrize(
    ("form", "begins"), [(ResponseFormat.SRT, "1\n00:00:00,000 --> "), (ResponseFormat.VTT, "WEBVTT\n")]
)
async def test_subtitles_are_plain_text(form: ResponseFormat, begins: str) -> None:
    content_type, text = await body(form)
    assert content_type == "text/plain; charset=utf-8"
    assert text.startswith(begins)
    assert "and more" in text


async def test_verbose_json_has_every_key_of_the_original() -> None:
    whole = await verbose(Granularity.SEGMENT)
    segments = whole.pop("segments")
    assert whole == {
        "task": "transcribe",
        "language": "english",
        "duration": 10.0,
        "text": TEXT,
        "usage": {"type": "duration", "seconds": 10.0},
    }
    assert segments[1] == {
        "id": 2,
        "seek": 200,
        "start": 2.0,
        "end": 2.194,
        "text": " and more",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(0.875), 4),
        "compression_ratio": 0.5,
        "no_speech_prob": 0.0,
    }
    assert "".join(segment["text"] for segment in segments).strip() == TEXT


async def test_diarized_json_says_who_speaks() -> None:
    spoken = [replace(SEGMENTS[0], speaker="S1"), SEGMENTS[1]]
    content_type, text = await body(ResponseFormat.DIARIZED_JSON, spoken)
    assert content_type == "application/json"
    kind = "transcript.text.segment"
    assert json.loads(text) == {
        "task": "transcribe",
        "duration": 10.0,
        "text": TEXT,
        "segments": [
            {"id": "seg_0", "type": kind, "start": 0.0, "end": 0.294, "speaker": "S1", "text": "so it goes"},
            {"id": "seg_2", "type": kind, "start": 2.0, "end": 2.194, "speaker": "UU", "text": "and more"},
        ],
        "usage": {"type": "duration", "seconds": 10.0},
    }
    TranscriptionDiarized.model_validate_json(text, strict=True)


async def test_words_have_their_times() -> None:
    whole = await verbose(Granularity.WORD)
    assert "segments" not in whole
    assert whole["words"][3] == {"word": "and", "start": 2.0, "end": 2.094}
    assert {"words", "segments"} <= (await verbose(*Granularity)).keys()


async def test_a_word_without_any_confidence_has_a_finite_logprob() -> None:
    silent = replace(make_segment(0), words=(Word("hm", 0, 1600, 0.0),))
    (segment,) = (await verbose(Granularity.SEGMENT, segments=[silent]))["segments"]
    assert segment["avg_logprob"] == round(math.log(1e-10), 4)


async def test_repeated_text_has_a_high_compression_ratio() -> None:
    (segment,) = (await verbose(Granularity.SEGMENT, segments=[make_segment(0, "la " * 100)]))["segments"]
    assert segment["compression_ratio"] > 10


async def test_silence_is_an_empty_transcript() -> None:
    assert (await verbose(*Granularity, segments=[], language=""))["text"] == ""
    assert await body(ResponseFormat.TEXT, []) == ("text/plain; charset=utf-8", "\n")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "english"),
        ("pt-BR", "portuguese"),
        ("yue", "cantonese"),
        ("ht", "haitian creole"),
        ("xx", "xx"),
        ("", ""),
    ],
)
def test_languages_go_by_their_english_names(code: str, name: str) -> None:
    assert language_name(code) == name
