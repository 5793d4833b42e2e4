"""Speakers whom a call of OpenAI's client brings along, as recordings of their voices."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from stenod_server.domain.job import JobState
from stenod_server.ports import JobFilter
from tests.support.http_node import HttpNode, http_node
from tests.support.made_up_voices import PlainFrontEnd, recording

ALICE, BOB, CAROL = 1, 2, 3


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
async def http(directory: Path) -> AsyncIterator[HttpNode]:
    async with http_node(directory, front_end=PlainFrontEnd()) as opened:
        yield opened


def url_of(*voices: int) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(recording(*voices)).decode()}"


async def speakers(http: HttpNode, said: bytes, known: dict[str, str], **fields: Any) -> list[str]:
    """Who is named by the segments, in their order."""
    client = openai.AsyncOpenAI(base_url=f"{http.url}/v1", api_key="any", max_retries=0)
    async with client:
        answer: Any = await client.audio.transcriptions.create(
            file=("a.wav", said),
            model="gpt-4o-transcribe-diarize",
            known_speaker_names=list(known),
            known_speaker_references=list(known.values()),
            **{"response_format": "diarized_json", **fields},
        )
    return [segment.speaker for segment in answer.segments]


async def test_who_is_brought_along_is_named(http: HttpNode) -> None:
    said = recording(*[BOB] * 4, *[CAROL] * 4, *[ALICE] * 4)
    assert await speakers(http, said, {}) == ["S1", "S2", "S3"]
    known = {"Alice": url_of(ALICE, ALICE), "Bob": url_of(*[BOB] * 10)}
    assert await speakers(http, said, known) == ["Bob", "S1", "Alice"]


async def test_recordings_of_the_known_are_not_kept(http: HttpNode, directory: Path) -> None:
    known = recording(BOB, BOB)
    for _ in range(2):
        assert await speakers(http, recording(*[BOB] * 4), {"Robert": url_of(BOB, BOB)}) == ["Robert"]
    jobs = await http.node.scheduler.list("default", JobFilter(states=(JobState.SUCCEEDED,)), limit=100)
    named = [one for job in jobs for one in job.config.diarization.known_speakers if one.label == "Robert"]
    assert len(named) == 2
    assert len(set(named)) == 1  # so a call that is repeated asks for the same, and joins the job that waits for it
    kept = (path for path in (directory / "data").rglob("*") if path.is_file())
    assert not any(path.read_bytes() == known for path in kept)


@pytest.mark.parametrize(
    ("known", "fields", "param"),
    [
        ({"Bob": url_of(BOB)}, {}, "known_speaker_references.0"),
        ({"Alice": url_of(ALICE, ALICE), "Bob": url_of(*[BOB] * 12)}, {}, "known_speaker_references.1"),
        ({"Nobody": url_of(0, 0, 0)}, {}, "known_speaker_references.0"),
        ({"Bob": "https://example.org/bob.wav"}, {}, "known_speaker_references.0"),
        ({"Bob": "data:audio/wav;base64,%%%"}, {}, "known_speaker_references.0"),
        ({"S1": url_of(BOB, BOB)}, {}, "known_speaker_names.0.label"),
        ({str(number): url_of(BOB, BOB) for number in range(5)}, {}, "known_speaker_names"),
        ({"Bob": url_of(BOB, BOB)}, {"response_format": "json"}, "known_speaker_names"),
    ],
)
async def test_what_makes_nobody_known_is_refused_by_name(
    http: HttpNode, known: dict[str, str], fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        await speakers(http, recording(*[BOB] * 4), known, **fields)
    assert refused.value.status_code in {400, 422}
    assert refused.value.param == param
