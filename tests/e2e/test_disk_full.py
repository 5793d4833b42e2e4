"""Media stops at the low-water mark; what is below it is the database's, and jobs that wait for room are not lost."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import stenod
from stenod._client_stream import send_all
from stenod.results import JobState
from stenod.v1 import media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod_server.errors import StorageFull
from tests.support.eventually import eventually
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.small_disk import NotPermitted, full, small_disk

MIB = 1024 * 1024
EVERYTHING = 2**60
URI = "https://example.org/talk.mp3"


def _stub(client: stenod.Client) -> Any:
    return client._connection.stub


async def _upload(chunks: int, upload_id: str, size_bytes: int = 0) -> AsyncIterator[pb.UploadMediaRequest]:
    yield pb.UploadMediaRequest(metadata=media_pb2.UploadMetadata(upload_id=upload_id, size_bytes=size_bytes))
    for _ in range(chunks):
        yield pb.UploadMediaRequest(chunk=os.urandom(MIB))


async def _refusal(call: Any) -> dict[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(refused.value)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(retry) for detail in status.details)
    assert (info.reason, retry.retry_delay.seconds) == ("STORAGE_FULL", 60)
    assert "min_free_bytes" in (refused.value.details() or "")
    return dict(info.metadata)


def _media_files(data_dir: Path) -> list[Path]:
    return [path for name in ("blobs", "uploads") for path in (data_dir / name).rglob("*") if path.is_file()]


async def test_nothing_is_taken_in_below_the_mark_and_all_else_goes_on(tmp_path: Path) -> None:
    fetcher = ScriptedFetcher({URI: b"RIFF"})
    front_end = ScriptedFrontEnd(make_windows(1))
    async with (
        fake_node(tmp_path, front_end=front_end, fetcher=fetcher, min_free_bytes=EVERYTHING) as node,
        stenod.Client(node.address) as client,
    ):
        stub = _stub(client)
        inline = pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"))
        assert (await _refusal(stub.SubmitJob(inline)))["min_free_bytes"] == str(EVERYTHING)
        await _refusal(send_all(stub.UploadMedia(), _upload(1, "mine")))
        assert _media_files(tmp_path / "data") == []
        # The database has what room there is: a job by address is accepted, and waits for room for its media.
        job = await client.submit(URI)
        await eventually(lambda: len(fetcher.asked) == 1)
        await _until_it_waits(client, job.job_id)
        assert (await client.job(job.job_id)).proto.attempt_count == 1


async def _until_it_waits(client: stenod.Client, job_id: str) -> None:
    async with asyncio.timeout(30):
        while (await client.job(job_id)).state is not JobState.QUEUED:  # noqa: ASYNC110  over the wire
            await asyncio.sleep(0.01)


async def test_a_job_that_waits_for_room_goes_on_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StorageFull, "retry_after_s", 0.05)
    fetcher = ScriptedFetcher({URI: b"RIFF"})
    fetcher.failures = [StorageFull("no room") for _ in range(10)]  # more often than a failure would be forgiven
    front_end = ScriptedFrontEnd(make_windows(1))
    async with fake_node(tmp_path, front_end=front_end, fetcher=fetcher) as node, stenod.Client(node.address) as client:
        job = await client.submit(URI)
        assert (await client.wait(job.job_id, timeout_s=60)).state is JobState.SUCCEEDED


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "disk", 48 * MIB) as directory:
            yield directory
    except NotPermitted as reason:
        pytest.skip(str(reason))


async def test_an_upload_ends_at_the_mark_in_mid_stream_and_goes_on_where_it_was(disk: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1))
    async with (
        fake_node(disk, front_end=front_end, min_free_bytes=16 * MIB) as node,
        stenod.Client(node.address) as client,
    ):
        stub = _stub(client)
        await _refusal(send_all(stub.UploadMedia(), _upload(0, "declared", size_bytes=40 * MIB)))
        await _refusal(send_all(stub.UploadMedia(), _upload(40, "mine")))
        offset = (await stub.GetUpload(pb.GetUploadRequest(upload_id="mine"))).upload.offset_bytes
        assert 24 * MIB <= offset <= 32 * MIB
        free = os.statvfs(disk)
        assert free.f_bavail * free.f_frsize >= 15 * MIB
        await _refusal(stub.SubmitJob(pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"))))


async def test_a_full_disk_fails_what_comes_in_and_breaks_nothing(disk: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1))
    async with (
        fake_node(disk, front_end=front_end, min_free_bytes=0) as node,
        stenod.Client(node.address, retry=stenod.RetryPolicy(attempts=1, busy_s=0)) as client,
    ):
        before = await client.submit(b"RIFF")
        await client.wait(before.job_id)
        async with full(disk):
            with pytest.raises(stenod.StenodError) as refused:
                await client.submit(os.urandom(MIB))
            assert refused.value.reason == "STORAGE_FULL"
            assert (await client.job(before.job_id)).state is JobState.SUCCEEDED
        after = await client.submit(b"RIFF")
        assert (await client.wait(after.job_id)).state is JobState.SUCCEEDED
        assert not list((disk / "data" / "blobs").rglob("*#*"))
