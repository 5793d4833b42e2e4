"""media.uri, ttl and deadline through the API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import stenod
from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node

URI = "https://user:password@example.org/talk.mp3?signature=secret"


async def test_a_recording_at_an_address_becomes_a_transcript_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    fetcher = ScriptedFetcher({URI: b"RIFF" + bytes(4000)})
    front_end = ScriptedFrontEnd(make_windows(2))
    async with fake_node(tmp_path, front_end=front_end, fetcher=fetcher) as node, stenod.Client(node.address) as client:
        job = await client.submit(URI)
        await client.wait(job.job_id)
        response = await _stub(client).GetJob(pb.GetJobRequest(job_id=job.job_id))
        assert (response.job.media.uri, response.job.media.size_bytes) == ("https://example.org/talk.mp3", 4004)
        assert "secret" not in str(response.job)
        assert "password" not in str(response.job)


@pytest.mark.parametrize("validate_only", [False, True])
@pytest.mark.parametrize(
    ("media", "field", "reason"),
    [
        (media_pb2.MediaSource(uri="gopher://example.org/a"), "media.uri", "FETCH_REFUSED"),
        (
            media_pb2.MediaSource(inline=b"RIFF", headers=[media_pb2.HttpHeader(name="a", value="b")]),
            "media.headers",
            "INVALID_FIELD",
        ),
    ],
    ids=["scheme", "headers"],
)
async def test_what_cannot_be_fetched_is_refused_by_name(
    tmp_path: Path, media: media_pb2.MediaSource, field: str, reason: str, *, validate_only: bool
) -> None:
    async with fake_node(tmp_path, fetcher=ScriptedFetcher()) as node, stenod.Client(node.address) as client:
        info = await _refused(client, pb.SubmitJobRequest(media=media, validate_only=validate_only))
        assert (info.reason, info.metadata["field"]) == (reason, field)


async def test_an_ended_job_says_when_it_expires(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1))
    async with fake_node(tmp_path, front_end=front_end) as node, stenod.Client(node.address) as client:
        for ttl_s, kept in ((None, timedelta(days=7)), (90.0, timedelta(seconds=90))):
            options: dict[str, Any] = {} if ttl_s is None else {"ttl_s": ttl_s}
            job = await client.submit(b"RIFF", **options)
            await client.wait(job.job_id)
            shown = (await _stub(client).GetJob(pb.GetJobRequest(job_id=job.job_id))).job
            assert shown.expire_time.ToDatetime() - shown.end_time.ToDatetime() == kept


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (job_pb2.JobConfig(ttl=Duration(seconds=59)), "config.ttl"),
        (job_pb2.JobConfig(ttl=Duration(seconds=366 * 86_400)), "config.ttl"),
        (
            job_pb2.JobConfig(scheduling=job_pb2.SchedulingConfig(deadline=Duration(nanos=5))),
            "config.scheduling.deadline",
        ),
    ],
)
async def test_durations_out_of_range_are_refused_by_name(
    tmp_path: Path, config: job_pb2.JobConfig, field: str
) -> None:
    async with fake_node(tmp_path) as node, stenod.Client(node.address) as client:
        request = pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config)
        assert (await _refused(client, request)).metadata["field"] == field


def _stub(client: stenod.Client) -> Any:
    return TranscriptionServiceStub(client._connection.channel)  # type: ignore[no-untyped-call]


async def _refused(client: stenod.Client, request: pb.SubmitJobRequest) -> error_details_pb2.ErrorInfo:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _stub(client).SubmitJob(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(refused.value)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return info
