"""What surrounds the API: health by name, metrics, deadlines, request ids, idempotency, reflection, exclusive data."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import stenod
from stenod import errors
from stenod.results import JobState
from stenod.v1 import job_pb2, media_pb2, transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.app.node import Node
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import InvalidField
from stenod_server.rpc import servicer
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node


@asynccontextmanager
async def _node(
    directory: Path, engine: FakeEngine, front_end: ScriptedFrontEnd | None = None, **settings: Any
) -> AsyncIterator[tuple[Node, Any, stenod.Client]]:
    front_end = front_end or ScriptedFrontEnd(make_windows(3))
    async with (
        fake_node(directory, engine, front_end, parallel=1, metrics_listen="127.0.0.1:0", **settings) as node,
        grpc.aio.insecure_channel(node.address) as channel,
        stenod.Client(node.address) as client,
    ):
        yield node, TranscriptionServiceStub(channel), client  # type: ignore[no-untyped-call]


def _stuck() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


def _request(content: bytes = b"recording", request_id: str = "") -> pb.TranscribeRequest:
    return pb.TranscribeRequest(media=media_pb2.MediaSource(inline=content), request_id=request_id)


async def _the_job(client: stenod.Client) -> stenod.Job:
    [job] = [job async for job in client.jobs()]
    return job


async def test_a_caller_who_gives_up_cancels_the_job_it_waits_for(tmp_path: Path) -> None:
    async with _node(tmp_path, _stuck()) as (_, stub, client):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stub.Transcribe(_request(), timeout=0.5)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(errors.JobFailed) as failed:
            await client.wait((await _the_job(client)).job_id)
        assert failed.value.job.state is JobState.CANCELLED


async def test_a_job_with_a_request_id_goes_on_and_the_same_call_gets_its_result(tmp_path: Path) -> None:
    engine = _stuck()
    async with _node(tmp_path, engine) as (_, stub, client):
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Transcribe(_request(request_id="mine"), timeout=0.5)
        assert engine.gate
        engine.gate.set()
        response = await stub.Transcribe(_request(request_id="mine"))
        assert response.segments
        assert response.job.job_id == (await _the_job(client)).job_id
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Transcribe(_request(b"another", request_id="mine"))
        assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_health_says_ready_full_and_alive_by_name(tmp_path: Path) -> None:
    engine = _stuck()
    async with _node(tmp_path, engine, admission="reject", health_listen="127.0.0.1:0") as (node, _, client):
        assert await client.health("capacity")
        job = await client.submit(b"recording")
        async with grpc.aio.insecure_channel(node.health_address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="capacity"))
            async for response in watch:
                if response.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                    break
            watch.cancel()
        assert await client.health()  # a full node stays reachable for polls
        assert await client.health("liveness")
        assert engine.gate
        engine.gate.set()
        await client.wait(job.job_id)


def _scraped(address: str) -> dict[str, float]:
    with urlopen(f"http://{address}/metrics") as page:
        return {m[1]: float(m[2]) for m in re.finditer(r"(?m)^(stenod_\S+) (\S+)$", page.read().decode())}


async def test_metrics_tell_of_jobs_engines_and_errors(tmp_path: Path) -> None:
    async with _node(tmp_path, FakeEngine()) as (node, _, client):
        await client.transcribe(b"recording")
        with pytest.raises(errors.NotFound):
            await client.job("none")

        seen: dict[str, float] = {}
        while not seen.get('stenod_batches_total{size="1"}'):  # sampled once a second
            seen = await asyncio.to_thread(_scraped, node.metrics_address)
        assert seen['stenod_jobs{state="succeeded"}'] == 1
        assert seen['stenod_engines{kind="max"}'] == 1
        assert seen['stenod_engines{kind="unused"}'] == 1
        assert seen["stenod_windows_total"] == 3
        assert seen["stenod_audio_transcribed_seconds_total"] == 6
        assert seen['stenod_jobs_ended_total{reason="",state="succeeded"}'] == 1
        assert seen['stenod_job_languages_total{language="en"}'] == 1
        assert seen['stenod_rpc_errors_total{reason="JOB_NOT_FOUND"}'] == 1
        assert seen['stenod_stage_seconds_count{stage="queue"}'] == 1
        assert seen['stenod_stage_seconds_count{stage="window"}'] == 3
        assert seen["stenod_real_time_factor"] > 0
        assert seen['stenod_batches_total{size="1"}'] == 3


async def test_a_request_id_of_the_call_comes_back(tmp_path: Path) -> None:
    async with _node(tmp_path, FakeEngine()) as (_, stub, _client):
        call = stub.GetCapacity(pb.GetCapacityRequest(), metadata=(("x-request-id", "trace-me"),))
        await call
        assert dict(await call.trailing_metadata())["x-request-id"] == "trace-me"
        refused = stub.GetJob(pb.GetJobRequest(job_id="unknown"), metadata=(("x-request-id", "and-me"),))
        with pytest.raises(grpc.aio.AioRpcError):
            await refused
        assert dict(await refused.trailing_metadata())["x-request-id"] == "and-me"
        nameless = stub.GetCapacity(pb.GetCapacityRequest())
        await nameless
        assert len(dict(await nameless.trailing_metadata())["x-request-id"]) == 32


async def test_two_servers_cannot_share_a_data_directory(tmp_path: Path) -> None:
    async with fake_node(tmp_path):
        with pytest.raises(InvalidField, match="another stenod runs"):
            async with fake_node(tmp_path):
                pass


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    async with fake_node(tmp_path / "one") as node:
        with pytest.raises(InvalidField, match="cannot be bound"):
            async with fake_node(tmp_path / "two", listen=node.address):
                pass


async def test_pages_of_jobs_follow_each_other(tmp_path: Path) -> None:
    async with _node(tmp_path, FakeEngine()) as (_, stub, client):
        for number in range(5):
            await client.transcribe(bytes([number]))
        seen: list[str] = []
        token = ""
        while True:
            page = await stub.ListJobs(pb.ListJobsRequest(page_size=2, page_token=token))
            seen += [job.job_id for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        assert len(seen) == len(set(seen)) == 5
        for bad in (pb.ListJobsRequest(page_size=-1), pb.ListJobsRequest(page_token="x")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListJobs(bad)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_transcript_goes_on_from_any_segment_but_is_rendered_whole(tmp_path: Path) -> None:
    async with _node(tmp_path, FakeEngine()) as (_, stub, client):
        await client.transcribe(b"recording")
        job = await _the_job(client)
        every = [each async for each in stub.GetTranscript(pb.GetTranscriptRequest(job_id=job.job_id))]
        rest = pb.GetTranscriptRequest(job_id=job.job_id, from_segment_index=1)
        assert [each async for each in stub.GetTranscript(rest)] == [every[0], *every[2:]]
        rest.format = transcript_pb2.TRANSCRIPT_FORMAT_TXT
        with pytest.raises(grpc.aio.AioRpcError, match="from_segment_index"):
            await anext(aiter(stub.GetTranscript(rest)))


async def test_who_skips_the_progress_gets_the_transcript_with_the_end_in_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "PAGE_SEGMENTS", 2)
    windows = make_windows(5, gap_s=6.0)  # such pauses end an utterance
    async with _node(tmp_path, FakeEngine(), ScriptedFrontEnd(windows)) as (_, stub, client):
        transcript = await client.transcribe(b"recording")
        job = await _the_job(client)
        every = [each.segment async for each in stub.GetTranscript(pb.GetTranscriptRequest(job_id=job.job_id))][1:]
        assert [segment.utterance_index for segment in every] == [0, 1, 2, 3, 4]
        assert [segment.proto for segment in transcript.segments] == every
        assert transcript == await client.transcript(job.job_id)
        request = pb.WatchJobRequest(job_id=job.job_id, include_segments=True, skip_progress=True)
        pages = [each async for each in stub.WatchJob(request)]
        assert [len(page.segments) for page in pages] == [2, 2, 1]
        assert {page.job.state for page in pages} == {job_pb2.JOB_STATE_SUCCEEDED}
        request.from_segment_index = 4
        (rest,) = [each async for each in stub.WatchJob(request)]
        assert list(rest.segments) == every[4:]
        request.include_segments = False
        (alone,) = [each async for each in stub.WatchJob(request)]
        assert (alone.job, len(alone.segments)) == (rest.job, 0)


async def test_an_unforeseen_fault_gives_an_id_and_nothing_of_the_inside(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.failures = [ZeroDivisionError("secret")]
    async with _node(tmp_path, engine) as (_, _stub, client):
        job = await client.submit(b"recording")
        with pytest.raises(errors.JobFailed) as failed:
            await client.wait(job.job_id)
        assert failed.value.job.error
        assert failed.value.job.error.reason == "INTERNAL"
        assert "secret" not in failed.value.message
    await eventually(lambda: engine.in_flight == 0)
