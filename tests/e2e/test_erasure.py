"""DeleteJob erases at once and from everywhere, whatever else happens to the job at that moment."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod import errors
from stenod.results import JobState
from stenod_server.engine.fake import FakeEngine
from tests.support.eventually import eventually
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node

ADDRESS = "https://example.org/talk.mp3?signature=marker-in-the-address"
SPOKEN = b"32000-1"  # by the engine, in a window of two seconds
MARKERS = (b"marker-of-the-media", b"marker-in-the-address", b"marker-in-a-header", b"marker-in-the-title", SPOKEN)


def _media(size: int = 4000) -> bytes:
    return b"RIFF" + b"marker-of-the-media " * (size // 20)


def _left(data_dir: Path) -> list[tuple[bytes, str]]:
    """Where a marker is in any file of the data directory: the database, its log, blobs, uploads."""
    files = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    return [(mark, str(path.relative_to(data_dir))) for path, data in files.items() for mark in MARKERS if mark in data]


@pytest.mark.parametrize("source", ["inline", "address"])
async def test_no_file_has_anything_of_a_deleted_job(tmp_path: Path, source: str) -> None:
    fetcher = ScriptedFetcher({ADDRESS: _media()})
    front_end = ScriptedFrontEnd(make_windows(40))
    async with (
        fake_node(tmp_path, FakeEngine(), front_end, fetcher=fetcher, keep_media=True, cache_ttl_s=3600) as node,
        stenod.Client(node.address) as client,
    ):
        how: dict[str, Any] = {"headers": {"Authorization": "marker-in-a-header"}} if source == "address" else {}
        media = ADDRESS if source == "address" else _media()
        jobs = [await client.submit(media, title="marker-in-the-title", **how) for _ in range(3)]
        for job in jobs:
            await client.wait(job.job_id)
        there = {mark for mark, _ in _left(tmp_path / "data")}
        assert there >= {b"marker-of-the-media", b"marker-in-the-title", SPOKEN}
        for job in jobs:
            await client.delete(job.job_id)
        assert _left(tmp_path / "data") == []


async def test_deleting_at_any_moment_of_a_jobs_life_leaves_nothing_of_it(tmp_path: Path) -> None:
    chance = random.Random(20_300_102)
    fetcher = ScriptedFetcher({ADDRESS: _media(200_000)})
    front_end = ScriptedFrontEnd(make_windows(3))
    async with (
        fake_node(tmp_path, FakeEngine(), front_end, fetcher=fetcher, parallel=2) as node,
        stenod.Client(node.address) as client,
    ):

        async def one(number: int) -> None:
            media: Any = ADDRESS if number % 2 else _media(20_000)
            job = await client.submit(media, title="marker-in-the-title")
            await asyncio.sleep(chance.uniform(0.0, 0.15))
            if number % 3 == 0:
                await client.cancel(job.job_id)
            await asyncio.gather(*(_deleted(client, job.job_id) for _ in range(2)))
            with pytest.raises(errors.NotFound):
                await client.job(job.job_id)

        await asyncio.gather(*(one(number) for number in range(40)))
        capacity = await client.capacity()
        assert (capacity.unused_engines, capacity.queued_job_count) == (capacity.max_engines, 0)
        assert [job async for job in client.jobs()] == []
        assert not list((tmp_path / "data" / "blobs").rglob("media/*"))
    assert _left(tmp_path / "data") == []


async def _deleted(client: stenod.Client, job_id: str) -> None:
    try:
        await client.delete(job_id, force=True)
    except errors.NotFound:  # the other one was first
        return


async def test_a_job_that_is_cancelled_as_it_ends_has_one_end(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with (
        fake_node(tmp_path, FakeEngine(), ScriptedFrontEnd(make_windows(3)), parallel=2) as node,
        stenod.Client(node.address) as client,
    ):

        async def one() -> JobState:
            job = await client.submit(b"RIFF")
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            await client.cancel(job.job_id)
            with suppress(errors.JobFailed):  # how it ended is looked at below
                await client.wait(job.job_id)
            first = await client.job(job.job_id)
            if first.state is JobState.SUCCEEDED:
                assert len((await client.transcript(job.job_id)).words) > 0
            assert await client.job(job.job_id) == first
            return first.state

        states = set(await asyncio.gather(*(one() for _ in range(40))))
        assert states <= {JobState.SUCCEEDED, JobState.CANCELLED}


async def test_media_is_gone_soon_after_its_job_has_ended_and_the_transcript_stays(tmp_path: Path) -> None:
    async with (
        fake_node(tmp_path, FakeEngine(), ScriptedFrontEnd(make_windows(3))) as node,
        stenod.Client(node.address) as client,
    ):
        jobs = [await client.submit(source) for source in (_media(), _chunks())]
        for job in jobs:
            await client.wait(job.job_id)
        await node.janitor.sweep()
        await eventually(lambda: not list((tmp_path / "data" / "blobs" / "media").glob("*")))
        assert (await client.transcript(jobs[0].job_id)).words


async def _chunks() -> AsyncIterator[bytes]:
    yield _media()
