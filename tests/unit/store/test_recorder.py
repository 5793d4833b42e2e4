"""Progress is gathered, stored in one go, and never lost to a passing fault."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from stenod_server.domain.job import Job, Progress
from stenod_server.errors import Broken, StenodError, StoreUnavailable
from stenod_server.ports.media import Written
from stenod_server.store.database import Database
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.migration import upgrade
from stenod_server.store.recorder import ProgressRecorder
from stenod_server.store.runs import Report
from stenod_server.store.sqlite import open_sqlite
from tests.support.builders import START, make_info, make_job, make_segment
from tests.support.eventually import eventually, settle

T = TypeVar("T")
NOT_BY_ITSELF_S = 3600.0


class FaultyDatabase:
    """Counts writes; fails the ones it is told to, before anything of them is done."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.writes = 0
        self.open = asyncio.Event()  # cleared: writes wait
        self.open.set()
        self.faults: list[StenodError] = []
        self.read, self.scrub, self.close = database.read, database.scrub, database.close

    async def write(self, operation: Callable[[sa.Connection], T], *, after: Written = None) -> T:
        self.writes += 1
        await self.open.wait()
        if self.faults:
            raise self.faults.pop(0)
        return await self._database.write(operation, after=after)


@pytest.fixture
async def database() -> FaultyDatabase:
    return FaultyDatabase(await open_sqlite(None, upgrade))


async def _running(store: SqlJobStore) -> Job:
    job = await store.submit(make_job(), max_queued_jobs=100)
    claimed = await store.claim(job.job_id, node="node-1", now=START, lease_until=START)
    assert claimed is not None
    return claimed


async def _indices(store: SqlJobStore, job: Job) -> list[int]:
    return [segment.index async for segment in store.segments(job.job_id)]


async def test_reports_of_many_jobs_are_one_write(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.01)
    jobs = [await _running(store) for _ in range(10)]
    before = database.writes
    for index in range(5):
        for job in jobs:
            await store.record(job.lease, Progress(index, 5, index + 1), [make_segment(index)], now=START)
    assert [await _indices(store, job) for job in jobs] == [list(range(5))] * 10
    assert database.writes == before + 1
    await store.close()


async def test_a_report_made_while_others_are_being_stored_is_stored_too(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.0)
    first, second = await _running(store), await _running(store)
    before = database.writes
    database.open.clear()
    await store.record(first.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    await eventually(lambda: database.writes > before)
    await store.record(second.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    database.open.set()
    assert await _indices(store, second) == [0]
    assert database.writes == before + 2
    await store.close()


async def test_completing_carries_what_was_gathered_along(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=NOT_BY_ITSELF_S)
    job = await _running(store)
    await store.record(job.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    before = database.writes
    await store.complete(job.lease, make_info(), [make_segment(1)], now=START)
    assert await _indices(store, job) == [0, 1]
    assert database.writes == before + 1
    await store.close()


async def test_closing_stores_what_was_gathered(tmp_path: Path) -> None:
    store = SqlJobStore(await open_sqlite(tmp_path / "stenod.db", upgrade), gather_s=NOT_BY_ITSELF_S)
    job = await _running(store)
    await store.record(job.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    await store.close()
    again = SqlJobStore(await open_sqlite(tmp_path / "stenod.db", upgrade))
    assert await _indices(again, job) == [0]
    await again.close()


async def test_a_report_that_could_not_be_stored_comes_with_the_next_one(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.0)
    job = await _running(store)
    database.faults.append(StoreUnavailable("disk full"))
    await store.record(job.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    assert await _indices(store, job) == []
    with pytest.raises(StoreUnavailable, match="disk full"):
        await store.record(job.lease, Progress(2, 5, 2), [make_segment(1)], now=START)
    assert await _indices(store, job) == [0, 1]
    await store.record(job.lease, Progress(3, 5, 3), [make_segment(2)], now=START)
    await store.close()


async def test_a_transcript_has_no_hole_where_a_report_could_not_be_stored(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.0)
    job = await _running(store)
    database.faults.append(StoreUnavailable("disk full"))
    await store.record(job.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    assert await _indices(store, job) == []  # waited for the failing write
    database.faults.append(StoreUnavailable("still full"))
    with pytest.raises(StoreUnavailable, match="still full"):
        await store.complete(job.lease, make_info(), [make_segment(1)], now=START)
    assert await store.complete(job.lease, make_info(), [make_segment(1)], now=START)
    assert await _indices(store, job) == [0, 1]
    await store.close()


async def test_one_job_whose_report_is_broken_spares_the_others(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.01)
    broken, sound = await _running(store), await _running(store)
    await store.record(broken.lease, Progress(1, 5, 1), [make_segment(0, "half a \ud800 pair")], now=START)
    await store.record(sound.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    assert await _indices(store, sound) == [0]
    await store.record(sound.lease, Progress(2, 5, 2), [make_segment(1)], now=START)
    with pytest.raises(Broken):
        await store.record(broken.lease, Progress(2, 5, 2), [], now=START)
    with pytest.raises(Broken):
        await store.complete(broken.lease, make_info(), [], now=START)
    await store.close()


async def test_the_jobs_end_waits_for_a_report_under_way_which_may_fail(database: FaultyDatabase) -> None:
    store = SqlJobStore(database, gather_s=0.0)
    job = await _running(store)
    before = database.writes
    database.open.clear()
    database.faults.append(StoreUnavailable("disk full"))
    await store.record(job.lease, Progress(1, 5, 1), [make_segment(0)], now=START)
    await eventually(lambda: database.writes > before)
    end = asyncio.create_task(store.complete(job.lease, make_info(), [make_segment(1)], now=START))
    await settle()
    database.open.set()
    assert await end is not None
    assert await _indices(store, job) == [0, 1]
    await store.close()


async def test_who_waits_for_a_report_that_goes_with_the_end_of_its_job_is_not_forgotten(
    database: FaultyDatabase,
) -> None:
    lease, recorder = (await _running(SqlJobStore(database))).lease, ProgressRecorder(database, gather_s=0.0)
    recorder.add(lease, Report(Progress(0, 2, 1), START))
    await recorder.settle(lease.job_id)  # in this moment whoever stores reports is about to find none, and to end
    recorder.add(lease, Report(Progress(1, 2, 2), START))
    waiting = asyncio.create_task(recorder.settle(lease.job_id))
    assert await asyncio.create_task(recorder.take(lease)) == Report(Progress(1, 2, 2), START)
    await asyncio.wait_for(waiting, 5.0)
    await recorder.close()
