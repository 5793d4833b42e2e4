"""A transcript is the same, whichever way it leaves."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import stenod
from stenod._subtitle_options import SubtitleOptions
from stenod.v1 import transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import http_node
from tests.support.node import fake_node
from tests.support.renderings import ShownCue, read_srt
from tests.support.waves import talk, write_wav

CONFIG = {
    "type": "transcription",
    "transcription_config": {"language": "en", "operating_point": "enhanced"},
    "translation_config": {"target_languages": ["fr"]},
    "output_config": {"srt_overrides": {"max_line_length": 20}},
}


async def test_what_came_through_a_dialect_leaves_by_grpc_as_it_leaves_there(tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "talk.wav", talk(3.0))
    async with http_node(tmp_path) as http, stenod.Client(http.node.address) as grpc:
        files = {"data_file": recording.read_bytes()}
        answer = await http.client.post("/v2/jobs", files=files, data={"config": json.dumps(CONFIG)})
        job_id = answer.json()["id"]
        await grpc.wait(job_id)
        for form in ("json-v2", "txt", "srt"):
            there = await http.client.get(f"/v2/jobs/{job_id}/transcript", params={"format": form})
            here = "".join([piece async for piece in grpc.rendered(job_id, form)])
            assert here == there.text
            if form == "json-v2":
                metadata = there.json()["metadata"]
                assert metadata["transcription_config"] == CONFIG["transcription_config"]
                assert "translation_errors" in metadata


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[stenod.Client]:
    """Of a node whose recordings have 40 words of seven characters, one a second."""
    async with (
        fake_node(tmp_path, front_end=ScriptedFrontEnd(make_windows(20))) as node,
        stenod.Client(node.address) as client,
    ):
        yield client


async def test_subtitles_have_the_shape_of_their_job_but_for_what_a_call_asks_for(client: stenod.Client) -> None:
    job = await client.submit(b"RIFF", language="en", subtitles={"max_line_length": 20, "max_lines": 1})
    await client.wait(job.job_id)

    assert _size(await _cues(client, job.job_id)) == (15, 1)
    assert _size(await _cues(client, job.job_id, {"max_lines": 2})) == (15, 2)
    assert _size(await _cues(client, job.job_id, {"max_line_length": 37})) == (31, 1)


async def test_turns_are_told_from_the_first_segment_on_whichever_is_asked_for(client: stenod.Client) -> None:
    job = await client.submit(b"RIFF", language="en")
    await client.wait(job.job_id)
    all_of_them, later = await _segments(client, job.job_id), await _segments(client, job.job_id, from_index=1)

    assert len(all_of_them) > 1
    assert later == all_of_them[1:]
    assert all(one.HasField("utterance_index") and one.HasField("paragraph_index") for one in all_of_them)


async def _segments(client: stenod.Client, job_id: str, *, from_index: int = 0) -> list[transcript_pb2.Segment]:
    request = pb.GetTranscriptRequest(job_id=job_id, from_segment_index=from_index)
    stub = client._connection.stub  # the client itself asks for all of them
    return [answer.segment async for answer in stub.GetTranscript(request) if answer.HasField("segment")]


async def _cues(client: stenod.Client, job_id: str, subtitles: SubtitleOptions | None = None) -> list[ShownCue]:
    return read_srt("".join([piece async for piece in client.rendered(job_id, "srt", **(subtitles or {}))]))


def _size(cues: list[ShownCue]) -> tuple[int, int]:
    """The longest line and the most lines."""
    return max(len(line) for cue in cues for line in cue.lines), max(len(cue.lines) for cue in cues)
