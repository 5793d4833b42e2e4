"""A node whose media is in a bucket of a real S3 server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod.results import JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.scheduler import executor
from stenod_server.store import bucket_spool, bucket_url
from tests.support.eventually import eventually_so
from tests.support.node import fake_node
from tests.support.node_process import node_process
from tests.support.s3_place import BUCKET, S3Place, place
from tests.support.seaweed import S3Server, running_s3
from tests.support.tcp_proxy import TcpProxy
from tests.support.waves import talk, write_wav

SECONDS = 4
LONG_S = 120
JOBS = 8


@pytest.fixture(scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("seaweed")) as server:
        await server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    """Uploads go there in several pieces, small as they are."""
    monkeypatch.setattr(bucket_spool, "PIECE_BYTES", bucket_spool.LEAST_PIECE_BYTES)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return place(s3, "node")


@pytest.fixture
async def proxied(bucket: S3Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TcpProxy]:
    """Between the node and the server, which is told to be away sooner than in earnest."""
    monkeypatch.setitem(bucket_url._CLIENT, "read_timeout", timedelta(seconds=1))
    monkeypatch.setitem(bucket_url._RETRIES, "max_retries", 0)
    monkeypatch.setattr(executor, "STORE_AWAY_S", 0.2)
    async with TcpProxy(bucket.server.url.removeprefix("http://")) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{proxy.url}")
        yield proxy


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("recording") / "talk.wav", talk(SECONDS))


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than goes into a request."""
    return write_wav(tmp_path_factory.mktemp("recording") / "long.wav", talk(LONG_S))


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]


async def test_what_is_uploaded_is_transcribed_out_of_the_bucket_and_erased_from_it(
    bucket: S3Place, tmp_path: Path, recording: Path, long_recording: Path
) -> None:
    """With `keep_media`, so that it is DeleteJob that erases."""
    async with (
        fake_node(tmp_path, blob_url=bucket.url, keep_media=True) as node,
        stenod.Client(node.address) as client,
    ):
        jobs = [await client.submit(media) for media in (recording, long_recording)]
        for job, duration_s in zip(jobs, (SECONDS, LONG_S), strict=True):
            await client.wait(job.job_id)
            assert (await client.transcript(job.job_id)).duration_s == duration_s
        kept = await bucket.keys()
        assert len([key for key in kept if key.startswith("blobs/media/")]) == 2
        assert not [key for key in kept if key.startswith("pieces/")]
        assert not list((tmp_path / "data" / "media-copies").iterdir())
        assert not _files(tmp_path / "data")  # nor anywhere else
        for job in jobs:
            await client.delete(job.job_id)
        # Of the uploaded one there is the upload itself, which lives for its hour.
        assert [key.split("/")[1] for key in await bucket.keys()] == ["upload"]


async def test_media_goes_with_its_job_where_nobody_keeps_it(bucket: S3Place, tmp_path: Path, recording: Path) -> None:
    async with fake_node(tmp_path, blob_url=bucket.url) as node, stenod.Client(node.address) as client:
        job = await client.submit(recording)
        await client.wait(job.job_id)
        await node.janitor.sweep()
        assert await bucket.keys() == []


async def test_jobs_and_uploads_survive_a_kill_of_the_node(
    bucket: S3Place, tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENOD_BLOB_URL", bucket.url)
    async with node_process(tmp_path) as node, stenod.Client(node.address) as client:
        jobs = [await client.submit(recording) for _ in range(JOBS)]
        await node.kill()
    assert len(await bucket.keys()) == JOBS
    async with node_process(tmp_path) as node, stenod.Client(node.address) as client:
        for job in jobs:
            assert (await client.wait(job.job_id)).state is JobState.SUCCEEDED


async def test_jobs_wait_for_a_bucket_that_is_away_and_none_is_lost_or_blamed(
    proxied: TcpProxy, bucket: S3Place, tmp_path: Path, recording: Path
) -> None:
    engine = FakeEngine()
    engine.ready = False  # nothing begins before the bucket is away
    settings: dict[str, Any] = {"blob_url": bucket.url, "attempts": 1, "parallel": 4}
    async with fake_node(tmp_path, engine, **settings) as node, stenod.Client(node.address) as client:
        jobs = [await client.submit(recording) for _ in range(JOBS)]
        proxied.quiet = True
        engine.ready = True

        async def met_it() -> bool:
            found = [(await client.job(job.job_id)).proto for job in jobs]
            return sum(proto.attempt_count >= 2 for proto in found) >= 2

        await eventually_so(met_it)
        refused = stenod.Client(node.address, retry=stenod.RetryPolicy(attempts=1, busy_s=0))
        async with refused as impatient:
            with pytest.raises(stenod.StenodError) as caught:
                await impatient.submit(recording)
            assert caught.value.reason == "STORE_UNAVAILABLE"
            assert "http" not in str(caught.value)
        proxied.quiet = False
        for job in jobs:
            assert (await client.wait(job.job_id, timeout_s=60)).state is JobState.SUCCEEDED


async def test_an_upload_that_a_silent_bucket_stops_goes_on_where_it_was(
    proxied: TcpProxy, bucket: S3Place, tmp_path: Path, long_recording: Path
) -> None:
    async with fake_node(tmp_path, blob_url=bucket.url) as node, stenod.Client(node.address) as client:
        submitting = asyncio.create_task(client.submit(long_recording))
        await eventually_so(lambda: _has_pieces(bucket))
        proxied.quiet = True
        await proxied.cut()
        proxied.quiet = False
        job = await submitting
        await client.wait(job.job_id)
        assert (await client.transcript(job.job_id)).duration_s == LONG_S


async def _has_pieces(bucket: S3Place) -> bool:
    return bool(await bucket.keys())
