"""Real recordings through the real API, the real front end and the real model in a real Triton."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

import stenod
from stenod.v1 import job_pb2, media_pb2, transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from tests.support.models import DEFAULT_MODEL
from tests.support.server import RunningServer

pytestmark = pytest.mark.triton


@pytest.fixture
def two_cities(built_models_dir: Path) -> Path:
    return built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav"


async def test_a_recording_becomes_words_with_times(client: stenod.Client, two_cities: Path) -> None:
    transcript = await client.transcribe(two_cities)
    assert transcript.text.startswith("It was the best of times")
    assert "the age of foolishness" in transcript.text
    assert transcript.language == "en"
    assert 43 < transcript.duration_s < 45
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= transcript.duration_s for word in transcript.words)
    assert all(0 <= word.confidence <= 1 for word in transcript.words)


async def test_every_format_tells_the_same_words(client: stenod.Client, two_cities: Path) -> None:
    job = await client.submit(two_cities)
    await client.wait(job.job_id)
    transcript = await client.transcript(job.job_id)
    words = [word.text for word in transcript.words]
    rendered = {
        form: "".join([piece async for piece in client.rendered(job.job_id, form)])
        for form in ("txt", "json", "srt", "vtt")
    }
    assert rendered["txt"].split() == words
    document = json.loads(rendered["json"])
    assert document["text"].split() == words
    assert [word["text"] for segment in document["segments"] for word in segment["words"]] == words
    assert rendered["vtt"].startswith("WEBVTT")
    for form in ("srt", "vtt"):
        lines = [line for line in rendered[form].splitlines() if line and "-->" not in line and not line.isdecimal()]
        said = " ".join(line for line in lines if line != "WEBVTT")
        assert said.split() == words
        assert max(len(line) for line in lines) <= 37


async def test_one_call_transcribes_short_audio(server: RunningServer, built_models_dir: Path) -> None:
    short = built_models_dir / DEFAULT_MODEL / "canary.wav"  # the first ten seconds
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        config = job_pb2.JobConfig()
        config.start_offset.FromSeconds(2)
        config.end_offset.FromSeconds(8)
        request = pb.TranscribeRequest(media=media_pb2.MediaSource(inline=short.read_bytes()), config=config)
        response = await stub.Transcribe(request)
        words = [word for segment in response.segments for word in segment.words]
        assert words[0].start_offset.ToNanoseconds() >= 2e9
        assert words[-1].end_offset.ToNanoseconds() <= 8e9
        request.format = transcript_pb2.TRANSCRIPT_FORMAT_TXT
        rendered = await stub.Transcribe(request)
        assert rendered.rendered.split() == [word.text for word in words]


async def test_punctuation_can_be_switched_off(client: stenod.Client, two_cities: Path) -> None:
    config = job_pb2.JobConfig(formatting=job_pb2.FormattingConfig(punctuation=False))
    transcript = await client.transcribe(two_cities, config=config)
    assert transcript.text.lower().startswith("it was the best of times it was the worst of times")
    assert not set(".,;:!?") & set(transcript.text)


async def test_segments_arrive_while_the_job_runs(client: stenod.Client, two_cities: Path) -> None:
    job = await client.submit(two_cities)
    seen: list[str] = []
    async for update in client.watch(job.job_id, include_segments=True):
        seen += [segment.text for segment in update.segments]
    transcript = await client.transcript(job.job_id)
    assert transcript.segments == (await client.transcribe(two_cities)).segments
    assert seen == [segment.text for segment in transcript.segments]


async def test_capacity_models_and_health_tell_of_the_real_recogniser(client: stenod.Client) -> None:
    models = await client.models()
    assert [model.name for model in models] == [DEFAULT_MODEL]
    capacity = await client.capacity()
    assert capacity.max_engines >= 8
    for service in ("", "stenod.v1.TranscriptionService", "readiness", "capacity", "liveness"):
        assert await client.health(service)
