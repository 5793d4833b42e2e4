"""What a tenant has used is counted once, and what is too much is refused, over every backend."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.job import Failure, Job, JobState
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.errors import QueueFull, QuotaExceeded
from stenod_server.store import usage
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from stenod_server.store.tables import usage as usage_table
from tests.support.builders import START, make_config, make_info, make_job

ROOM = 1000
UNTIL = START + timedelta(days=500)
NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
HOUR_S = 3600
ONE_HOUR = TenantLimits(audio_hours_per_day=1.0)


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


async def submitted(store: SqlJobStore, limits: TenantLimits = NO_LIMITS, **changes: Any) -> Job:
    return await store.submit(make_job(**changes), max_queued_jobs=ROOM, limits=limits)


async def claimed(store: SqlJobStore, job: Job, node: str = "node-1") -> Job:
    running = await store.claim(job.job_id, node=node, now=NOON, lease_until=UNTIL)
    assert running is not None
    return running


async def transcribed(store: SqlJobStore, audio_s: float, now: datetime = NOON, **changes: Any) -> Job:
    job = await claimed(store, await submitted(store, **changes))
    info = make_info(duration_samples=round(audio_s * SAMPLE_RATE_HZ))
    done = await store.complete(job.lease, info, [], now=now)
    assert done is not None
    return done


async def used(store: SqlJobStore) -> list[tuple[str, date, str, float, int]]:
    statement = sa.select(usage_table).order_by(*usage_table.primary_key.columns)
    rows = await store._database.read(lambda connection: connection.execute(statement).all())
    return [tuple(row) for row in rows]


# --- max_queued_jobs ------------------------------------------------------------------------------------------------


async def test_racing_submits_fill_a_tenants_queue_exactly(store: SqlJobStore) -> None:
    limits = TenantLimits(max_queued_jobs=7)
    calls = (submitted(store, limits, tenant="a") for _ in range(50))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Job) for result in results) == 7
    refused = [result for result in results if isinstance(result, QuotaExceeded)]
    assert len(refused) == 43
    assert {(error.quota, error.metadata["allowed"]) for error in refused} == {("max_queued_jobs", "7")}
    assert (await store.counts())[JobState.QUEUED] == 7


async def test_a_tenants_queue_is_its_own(store: SqlJobStore) -> None:
    limits = TenantLimits(max_queued_jobs=1)
    mine = await submitted(store, limits, tenant="a")
    await submitted(store, limits, tenant="b")
    with pytest.raises(QuotaExceeded):
        await submitted(store, limits, tenant="a")
    await claimed(store, mine)  # it waits no longer
    await submitted(store, limits, tenant="a")


async def test_a_repeated_request_gets_its_job_although_the_quota_is_used_up(store: SqlJobStore) -> None:
    limits = TenantLimits(max_queued_jobs=1, audio_hours_per_day=1.0)
    await transcribed(store, HOUR_S)
    job = await submitted(store, request_id="once", fingerprint="f", create_time=NOON)
    again = make_job(request_id="once", fingerprint="f", create_time=NOON)
    assert await store.submit(again, max_queued_jobs=ROOM, limits=limits) == job


async def test_the_nodes_own_limit_holds_within_a_tenants_quota(store: SqlJobStore) -> None:
    limits = TenantLimits(max_queued_jobs=5)
    await submitted(store, limits)
    with pytest.raises(QueueFull):
        await store.submit(make_job(), max_queued_jobs=1, limits=limits)


# --- audio_hours_per_day --------------------------------------------------------------------------------------------


async def test_a_day_that_is_used_up_refuses_until_the_next_midnight(store: SqlJobStore) -> None:
    await transcribed(store, HOUR_S - 1)
    last = await submitted(store, ONE_HOUR, create_time=NOON)  # a second is left
    await transcribed(store, 1)
    with pytest.raises(QuotaExceeded) as refusal:
        await submitted(store, ONE_HOUR, create_time=NOON + timedelta(hours=1))
    assert (refusal.value.quota, refusal.value.retry_after_s) == ("audio_hours_per_day", 11 * HOUR_S)
    await submitted(store, ONE_HOUR, create_time=NOON + timedelta(hours=12))  # tomorrow
    await submitted(store, ONE_HOUR, create_time=NOON, tenant="another")
    await claimed(store, last)  # what was accepted runs


async def test_use_is_counted_by_tenant_day_and_user(store: SqlJobStore) -> None:
    alice, bob = make_config(user_id="alice"), make_config(user_id="bob")
    await transcribed(store, 10, config=alice)
    await transcribed(store, 20, config=alice)
    await transcribed(store, 40, config=bob)
    await transcribed(store, 80, config=alice, tenant="other")
    midnight = datetime(2030, 5, 7, tzinfo=UTC)
    await transcribed(store, 160, now=midnight - timedelta(microseconds=1), config=bob)
    await transcribed(store, 320, now=midnight, config=bob)
    today, tomorrow = date(2030, 5, 6), date(2030, 5, 7)
    assert await used(store) == [
        ("default", today, "alice", 30.0, 2),
        ("default", today, "bob", 200.0, 2),
        ("default", tomorrow, "bob", 320.0, 1),
        ("other", today, "alice", 80.0, 1),
    ]


async def test_a_job_of_several_attempts_is_counted_once(store: SqlJobStore) -> None:
    job = await submitted(store)
    failed = await claimed(store, job)
    await store.release(failed.lease, now=NOON, failure=Failure("ENGINE_UNAVAILABLE", "nobody answers", retryable=True))
    lost = await claimed(store, job)
    await store.rescue("node-1", now=NOON, max_rescues=9)
    last = await claimed(store, job, "node-2")
    info = make_info(duration_samples=60 * SAMPLE_RATE_HZ)
    assert await store.complete(lost.lease, info, [], now=NOON) is None  # a zombie's
    assert await store.complete(last.lease, info, [], now=NOON) is not None
    assert await store.complete(last.lease, info, [], now=NOON) is None  # told twice
    assert [(audio_s, jobs) for *_, audio_s, jobs in await used(store)] == [(60.0, 1)]


async def test_what_was_not_transcribed_is_not_counted(store: SqlJobStore) -> None:
    failed, cancelled, handed_back = [await claimed(store, await submitted(store)) for _ in range(3)]
    assert await store.fail(failed.lease, Failure("UNSUPPORTED_MEDIA", "what is it?"), now=NOON)
    assert await store.cancelled(cancelled.lease, now=NOON)
    assert await store.release(handed_back.lease, now=NOON)
    assert await used(store) == []


async def test_use_outlives_the_job_and_goes_after_its_time(store: SqlJobStore) -> None:
    done = await transcribed(store, 10, tenant="a")
    await store.delete("a", done.job_id)
    await transcribed(store, 20, now=NOON + usage.KEPT, tenant="b")
    assert [tenant for tenant, *_ in await used(store)] == ["a", "b"]
    await transcribed(store, 20, now=NOON + usage.KEPT + timedelta(days=1), tenant="b")
    assert [tenant for tenant, *_ in await used(store)] == ["b", "b"]
