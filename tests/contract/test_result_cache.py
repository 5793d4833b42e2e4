"""A transcript is used again by its own tenant, while its job has it and it is not too old, over every backend."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stenod_server.domain.job import Checkpoint, Job, JobState, Progress
from stenod_server.domain.quota import TenantLimits
from stenod_server.domain.transcript import Segment
from stenod_server.errors import JobNotFound
from stenod_server.ports import CacheKey
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from stenod_server.store.tables import result_cache
from tests.support.builders import START, make_config, make_info, make_job, make_segment

NOW = START + timedelta(days=1)
LATER = NOW + timedelta(hours=1)
UNTIL = NOW + timedelta(days=9)
KEY = CacheKey("digest", NOW - timedelta(hours=5))
SEGMENTS = [make_segment(index) for index in range(3)]


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


async def submitted(store: SqlJobStore, key: CacheKey | None = KEY, **changes: object) -> Job:
    return await store.submit(make_job(create_time=LATER, **changes), max_queued_jobs=1000, cache=key)


async def claimed(store: SqlJobStore, job: Job) -> Job:
    running = await store.claim(job.job_id, node="node-1", now=NOW, lease_until=UNTIL)
    assert running is not None
    return running


async def running(store: SqlJobStore, **changes: object) -> Job:
    return await claimed(store, await submitted(store, None, **changes))


async def source(store: SqlJobStore, key: CacheKey = KEY, **changes: object) -> Job:
    """A job that was recognised and is remembered."""
    job = await running(store, **changes)
    await store.record(job.lease, Progress(1, 2, 2), SEGMENTS[:2], now=NOW)
    done = await store.complete(job.lease, make_info(), SEGMENTS[2:], now=NOW, cache=key)
    assert done is not None
    return done


async def stored_segments(store: SqlJobStore, job: Job) -> list[Segment]:
    return [segment async for segment in store.segments(job.job_id)]


async def entries(store: SqlJobStore) -> list[str]:
    statement = sa.select(result_cache.c.digest).order_by(result_cache.c.digest)
    return list(await store._database.read(lambda connection: connection.execute(statement).scalars().all()))


async def test_a_submitted_job_gets_the_transcript_at_once(store: SqlJobStore) -> None:
    await source(store)
    config = make_config(tags=("mine",), user_id="u")
    job = await submitted(store, config=config, request_id="once", fingerprint="f", ttl=timedelta(hours=2))
    assert (job.state, job.attempt, job.node, job.end_time) == (JobState.SUCCEEDED, 0, "", LATER)
    assert (job.config, job.expire_time) == (config, LATER + timedelta(hours=2))
    assert job.info == make_info(from_cache=True)
    assert job.progress == Progress(160_000, 160_000, 3)
    assert await stored_segments(store, job) == SEGMENTS
    assert await store.get("default", job.job_id) == job
    again = await submitted(store, request_id="once", fingerprint="f")
    assert again == job


async def test_a_running_job_gets_the_transcript_under_its_lease(store: SqlJobStore) -> None:
    await source(store)
    job = await running(store)
    checkpoint = Checkpoint(9, 9, "{}")
    await store.record(job.lease, Progress(1, 2, 1), [make_segment(7, "of before")], now=NOW, checkpoint=checkpoint)
    assert await stored_segments(store, job)
    done = await store.reuse(job, KEY, now=LATER)
    assert done is not None
    assert (done.state, done.checkpoint, done.info) == (JobState.SUCCEEDED, None, make_info(from_cache=True))
    assert await stored_segments(store, done) == SEGMENTS


async def test_a_lost_lease_reuses_nothing(store: SqlJobStore) -> None:
    await source(store)
    zombie = await running(store)
    await store.rescue("node-1", now=NOW, max_rescues=9)
    assert await store.reuse(zombie, KEY, now=LATER) is None
    assert (await store.get("default", zombie.job_id)).state is JobState.QUEUED
    assert await stored_segments(store, zombie) == []


async def test_another_tenant_never_hits(store: SqlJobStore) -> None:
    await source(store, tenant="a")
    assert (await submitted(store, tenant="b")).state is JobState.QUEUED
    assert await store.reuse(await running(store, tenant="b"), KEY, now=LATER) is None
    assert (await submitted(store, tenant="a")).state is JobState.SUCCEEDED


async def test_another_digest_never_hits(store: SqlJobStore) -> None:
    await source(store)
    assert (await submitted(store, CacheKey("another", KEY.since))).state is JobState.QUEUED
    assert (await submitted(store, None)).state is JobState.QUEUED


async def test_an_entry_that_is_too_old_is_none_and_is_removed_by_the_next(store: SqlJobStore) -> None:
    await source(store)
    late = CacheKey(KEY.digest, NOW + timedelta(microseconds=1))
    assert (await submitted(store, CacheKey(KEY.digest, NOW))).state is JobState.SUCCEEDED
    assert (await submitted(store, late)).state is JobState.QUEUED
    await source(store, CacheKey("another", late.since))
    assert await entries(store) == ["another"]


async def test_deleting_the_source_removes_its_entry_and_leaves_the_copies(store: SqlJobStore) -> None:
    original = await source(store)
    copy = await submitted(store)
    await store.delete("default", original.job_id)
    assert await entries(store) == []
    assert await stored_segments(store, copy) == SEGMENTS
    assert (await submitted(store)).state is JobState.QUEUED  # a copy is no source


async def test_a_source_that_has_expired_is_none(store: SqlJobStore) -> None:
    original = await source(store)
    expire = sa.text("UPDATE jobs SET state = 'EXPIRED' WHERE job_id = :job_id")
    await store._database.write(lambda connection: connection.execute(expire, {"job_id": original.job_id}).rowcount)
    assert (await submitted(store)).state is JobState.QUEUED


async def test_the_newest_source_counts(store: SqlJobStore) -> None:
    first = await source(store)
    await source(store)
    await store.delete("default", first.job_id)
    assert (await submitted(store)).state is JobState.SUCCEEDED


async def test_a_copy_needs_no_room_and_uses_nothing_up(store: SqlJobStore) -> None:
    await source(store)
    await submitted(store, None)
    nothing_left = TenantLimits(max_queued_jobs=1, audio_hours_per_day=0.001)
    job = make_job(create_time=LATER)
    done = await store.submit(job, max_queued_jobs=1, limits=nothing_left, cache=KEY)
    assert done.state is JobState.SUCCEEDED
    statement = sa.text('SELECT SUM(jobs) FROM "usage"')
    assert await store._database.read(lambda connection: connection.execute(statement).scalar_one()) == 1


async def test_a_source_deleted_while_it_is_copied_gives_all_of_it_or_none(store: SqlJobStore) -> None:
    """Many races; SQLite serialises them, PostgreSQL locks the source."""
    for _ in range(20):
        original = await source(store)
        _, *jobs = await asyncio.gather(
            store.delete("default", original.job_id), *(submitted(store) for _ in range(4)), return_exceptions=True
        )
        for job in jobs:
            assert isinstance(job, Job)
            whole = SEGMENTS if job.state is JobState.SUCCEEDED else []
            assert await stored_segments(store, job) == whole
        with pytest.raises(JobNotFound):
            await store.get("default", original.job_id)
