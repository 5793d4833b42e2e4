"""What is forgotten, when, and that nothing else is; over a real store and real files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.job import Job, JobState, RemoteMedia
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import JobNotFound, StoreUnavailable
from stenod_server.ports import Upload
from stenod_server.scheduler.janitor import ORPHAN_GRACE_S, ORPHANS_EVERY_S, Janitor, JanitorStores
from stenod_server.scheduler.scheduler import Submission
from tests.support.builders import START
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

DAY = timedelta(days=1)
DAY_S = DAY.total_seconds()


@dataclass
class House:
    """A scheduler, its janitor, and what is in its files."""

    rig: Rig
    janitor: Janitor
    data_dir: Path

    async def done(self, **how: Any) -> Job:
        job = await self.rig.submit(**how)
        return await self.rig.scheduler.wait(job.tenant, job.job_id)

    async def later(self, seconds: float) -> None:
        """Time passes, with a round each hour."""
        while seconds > 0:
            step_s = min(seconds, 3600.0)
            seconds -= step_s
            self.rig.clock.advance(step_s)
            await self.janitor.sweep()

    def files(self, directory: str = "blobs") -> set[str]:
        root = self.data_dir / directory
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@asynccontextmanager
async def _house(data_dir: Path, *, keep_media: bool = False, **options: Any) -> AsyncIterator[House]:
    async with open_rig(data_dir, retention=DAY, **options) as rig:
        stores = rig.stores
        swept = JanitorStores(
            retention=stores.retention, uploads=stores.uploads, spool=stores.spool, blobs=stores.blobs
        )
        janitor = Janitor(swept, rig.clock, keep_media=keep_media, cache_ttl=timedelta())
        yield House(rig, janitor, data_dir)


# --- jobs -----------------------------------------------------------------------------------------------------------


async def test_media_goes_when_its_job_has_ended_and_not_before(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with _house(tmp_path, engine=engine, max_engines=1) as house:
        running, waiting = await house.rig.submit(), await house.rig.submit()
        await house.rig.runs(running)
        await house.later(2 * DAY_S)
        assert house.files() == {running.media.key, waiting.media.key}
        engine.gate.set()
        for job in (running, waiting):
            await house.rig.scheduler.wait(TENANT, job.job_id)
        await house.janitor.sweep()
        assert house.files() == set()
        assert [s async for s in house.rig.scheduler.segments(running)]


async def test_kept_media_goes_with_the_transcript(tmp_path: Path) -> None:
    async with _house(tmp_path, keep_media=True) as house:
        done = await house.done()
        await house.later(DAY_S - 1)
        assert house.files() == {done.media.key}
        await house.later(1)
        assert house.files() == set()


async def test_a_transcript_is_kept_for_its_retention_and_its_record_as_long_again(tmp_path: Path) -> None:
    async with _house(tmp_path) as house:
        plain, brief = await house.done(request_id="mine"), await house.done(ttl=DAY / 2)
        await house.later(DAY_S / 2)
        assert await house.rig.state(brief) is JobState.EXPIRED
        await house.later(DAY_S / 2 - 1)
        assert await house.rig.state(plain) is JobState.SUCCEEDED
        await house.later(1)
        assert await house.rig.state(plain) is JobState.EXPIRED
        assert [s async for s in house.rig.scheduler.segments(plain)] == []
        with pytest.raises(JobNotFound):
            await house.rig.state(brief)
        await house.later(DAY_S)
        with pytest.raises(JobNotFound):
            await house.rig.state(plain)


async def test_a_job_that_has_not_ended_is_kept_for_ever(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        job = await house.rig.submit()
        await house.later(3 * DAY_S)
        assert await house.rig.state(job) is JobState.QUEUED
        assert house.files() == {job.media.key}


async def test_more_than_a_batch_goes_in_one_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stenod_server.scheduler.janitor.BATCH", 2)
    async with _house(tmp_path) as house:
        jobs = [await house.done() for _ in range(5)]
        await house.janitor.sweep()
        assert house.files() == set()
        await house.later(DAY_S - 1)
        await house.later(1)
        assert {await house.rig.state(job) for job in jobs} == {JobState.EXPIRED}


async def test_a_clock_that_jumps_ahead_ends_nobodys_retention(tmp_path: Path) -> None:
    async with _house(tmp_path) as house:
        done = await house.done()
        await house.janitor.sweep()
        house.rig.clock._now += 30 * DAY  # and no second has passed
        await house.janitor.sweep()
        assert await house.rig.state(done) is JobState.SUCCEEDED
        house.rig.clock._now -= 30 * DAY
        await house.later(DAY_S)
        assert await house.rig.state(done) is JobState.EXPIRED


async def test_deleting_a_job_erases_what_was_fetched_for_it_and_not_recorded(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        uri = "https://example.org/a.mp3"
        media = replace(await house.rig.media(), key="", remote=RemoteMedia(uri=uri))
        job = await house.rig.scheduler.submit(TENANT, Submission(config=(await house.rig.submit()).config), media)
        await house.rig.stores.blobs.put(f"media/{job.job_id}", _bytes(b"fetched"))
        assert f"media/{job.job_id}" in house.files()
        await house.rig.scheduler.delete(TENANT, job.job_id)
        assert f"media/{job.job_id}" not in house.files()


# --- what has no name -----------------------------------------------------------------------------------------------


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_bytes_that_nothing_names_go_after_a_while(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        named = await house.rig.submit()
        await house.rig.stores.blobs.put("media/orphan", _bytes(b"lost"))
        (tmp_path / "uploads").mkdir()
        (tmp_path / "uploads" / "0123.part").write_bytes(b"lost too")
        await house.later(ORPHAN_GRACE_S)
        assert house.files() == {named.media.key, "media/orphan"}  # first seen at the end of the first hour
        await house.later(ORPHAN_GRACE_S - ORPHANS_EVERY_S)
        assert "media/orphan" in house.files()
        await house.later(2 * ORPHANS_EVERY_S)
        assert house.files() == {named.media.key}
        assert house.files("uploads") == set()


async def test_bytes_that_a_crash_left_go_at_once_where_nobody_else_writes(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        named = await house.rig.submit()
        await house.rig.stores.blobs.put("media/orphan", _bytes(b"lost"))
        (tmp_path / "uploads").mkdir()
        (tmp_path / "uploads" / "0123.part").write_bytes(b"lost too")
        await house.janitor.begin_alone()
        on_its_way = await house.rig.media()
        await house.janitor.sweep()
        assert house.files() == {named.media.key, on_its_way.key}
        assert house.files("uploads") == set()


async def test_bytes_that_get_a_name_in_time_stay(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        media = await house.rig.media()
        await house.later(ORPHAN_GRACE_S / 2)
        await house.rig.submit(media=media)
        await house.later(3 * ORPHAN_GRACE_S)
        assert house.files() == {media.key}


async def test_what_a_crash_left_half_written_goes_when_the_store_is_opened(tmp_path: Path) -> None:
    (tmp_path / "blobs" / "media").mkdir(parents=True)
    (tmp_path / "blobs" / "media" / "half#1").write_bytes(b"half")
    async with _house(tmp_path, start=False) as house:
        assert house.files() == set()


# --- uploads --------------------------------------------------------------------------------------------------------


async def test_an_upload_that_nobody_comes_back_for_goes(tmp_path: Path) -> None:
    async with _house(tmp_path, start=False) as house:
        stores, now = house.rig.stores, house.rig.clock.now()
        fresh = Upload(
            upload_id="mine",
            tenant=TENANT,
            file_name="",
            size_bytes=10,
            offset_bytes=0,
            complete=False,
            sha256="",
            create_time=now,
            expire_time=START + timedelta(hours=1),
        )
        upload = await stores.uploads.create_upload(fresh)
        assert await stores.spool.append(upload, _bytes(b"12345")) == 5
        await house.later(3599)
        assert len(house.files("uploads")) == 1
        assert (await stores.uploads.get_upload(TENANT, "mine")).offset_bytes == 5
        await house.later(1)
        assert house.files("uploads") == set()
        assert await stores.uploads.expired_uploads(START + DAY) == []


# --- trouble --------------------------------------------------------------------------------------------------------


async def test_a_step_that_fails_stops_no_other_and_is_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path) as house:
        done = await house.done()

        async def broken(_key: str) -> None:
            raise StoreUnavailable("the disk is away")

        with monkeypatch.context() as patched:
            patched.setattr(house.rig.stores.blobs, "delete", broken)
            await house.later(DAY_S)
        assert await house.rig.state(done) is JobState.EXPIRED
        assert house.files() == {done.media.key}
        await house.janitor.sweep()
        assert house.files() == set()
