"""What every JobStore does, over every backend."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta

import pytest

from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.formatting import Formatting, Replacement
from stenod_server.domain.job import Job, JobState, Lease, Progress
from stenod_server.errors import IdempotencyMismatch, JobNotFound, QueueFull, StorageFull, StoreUnavailable
from stenod_server.ports import JobFilter
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from tests.contract.lives import LATER, NOW, ROOM, UNTIL, running, stored_segments, submitted
from tests.support.builders import START, make_config, make_info, make_job, make_segment


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


# --- submit ---------------------------------------------------------------------------------------------------------


async def test_a_job_comes_back_as_it_was_stored(store: SqlJobStore) -> None:
    config = make_config(
        tags=("b", "a"), ttl=timedelta(days=2), start_s=1.1, end_s=2.25, details_json='{"x":"ü"}', user_id="u",
        priority=-3, parallel_engines=4, max_parallel_engines=8, title="Tîtle", reference="ref",
        formatting=Formatting(punctuation=False, permitted_marks=(".",), replacements=(Replacement("a", "b"),)),
        diarization=Diarization(mode=DiarizationMode.SPEAKER, known_speakers=(KnownSpeaker("Ann", ("x",)),)),
    )  # fmt: skip
    job = make_job(config=config, request_id="once", expire_time=NOW)
    assert await store.submit(job, max_queued_jobs=ROOM) == job
    assert await store.get("default", job.job_id) == job


async def test_the_same_request_sent_again_returns_the_same_job(store: SqlJobStore) -> None:
    job = await running(store, request_id="once", fingerprint="f")
    assert await submitted(store, request_id="once", fingerprint="f") == job
    assert (await store.counts())[JobState.QUEUED] == 0


async def test_the_same_request_sent_fifty_times_at_once_makes_one_job(store: SqlJobStore) -> None:
    jobs = await asyncio.gather(*(submitted(store, request_id="once", fingerprint="f") for _ in range(50)))
    assert len({job.job_id for job in jobs}) == 1
    assert sum((await store.counts()).values()) == 1


async def test_a_used_request_id_with_another_fingerprint_is_refused(store: SqlJobStore) -> None:
    await submitted(store, request_id="once", fingerprint="f")
    with pytest.raises(IdempotencyMismatch):
        await submitted(store, request_id="once", fingerprint="g")
    assert sum((await store.counts()).values()) == 1


async def test_a_job_is_stored_once_its_media_is(store: SqlJobStore) -> None:
    written: Future[None] = Future()
    submitting = asyncio.create_task(store.submit(make_job(), max_queued_jobs=ROOM, written=written))
    await asyncio.sleep(0.05)
    assert not submitting.done()
    written.set_result(None)
    assert await store.get("default", (await submitting).job_id)


async def test_of_media_that_could_not_be_stored_there_is_no_job(store: SqlJobStore) -> None:
    failed, written = Future[None](), Future[None]()
    refused, others = make_job(request_id="once"), [make_job() for _ in range(5)]
    submits = [store.submit(refused, max_queued_jobs=ROOM, written=failed)]
    submits += [store.submit(job, max_queued_jobs=ROOM, written=written) for job in others]
    submitting = asyncio.gather(*submits, return_exceptions=True)
    await asyncio.sleep(0)
    written.set_result(None)
    failed.set_exception(StorageFull("no room"))
    refusal, *stored = await submitting
    assert isinstance(refusal, StorageFull)
    assert stored == others
    with pytest.raises(JobNotFound):
        await store.get("default", refused.job_id)
    again = make_job(request_id="once")
    assert await store.submit(again, max_queued_jobs=ROOM) == again  # nor is its request known


async def test_two_tenants_may_use_the_same_request_id(store: SqlJobStore) -> None:
    mine = await submitted(store, request_id="once", tenant="a")
    theirs = await submitted(store, request_id="once", tenant="b")
    assert mine.job_id != theirs.job_id


async def test_a_request_without_an_id_always_makes_a_job(store: SqlJobStore) -> None:
    assert (await submitted(store)).job_id != (await submitted(store)).job_id


async def test_a_full_queue_refuses_exactly_what_is_too_much(store: SqlJobStore) -> None:
    results = await asyncio.gather(
        *(store.submit(make_job(), max_queued_jobs=7) for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(result, Job) for result in results) == 7
    assert sum(isinstance(result, QueueFull) for result in results) == 23
    assert (await store.counts())[JobState.QUEUED] == 7


async def test_a_running_job_takes_no_room_in_the_queue(store: SqlJobStore) -> None:
    await running(store)
    await store.submit(make_job(), max_queued_jobs=1)
    with pytest.raises(QueueFull):
        await store.submit(make_job(), max_queued_jobs=1)


async def test_a_full_queue_still_answers_a_repeated_request(store: SqlJobStore) -> None:
    job = await submitted(store, request_id="once", fingerprint="f")
    again = make_job(request_id="once", fingerprint="f")
    assert (await store.submit(again, max_queued_jobs=1)).job_id == job.job_id


# --- reading --------------------------------------------------------------------------------------------------------


async def test_another_tenants_job_does_not_exist(store: SqlJobStore) -> None:
    job = await submitted(store, tenant="a")
    for call in (
        store.get("b", job.job_id),
        store.request_cancel("b", job.job_id, now=NOW),
        store.delete("b", job.job_id),
    ):
        with pytest.raises(JobNotFound):
            await call
    assert await store.list("b", JobFilter(), limit=10) == []
    assert await store.get("a", job.job_id) == job


async def test_a_list_is_newest_first_and_filtered(store: SqlJobStore) -> None:
    first = await submitted(store, config=make_config(user_id="u", tags=("x", "y")))
    second = await submitted(store, config=make_config(user_id="u", tags=("y",)))
    third = await running(store, config=make_config(tags=("x",)))
    lists = {
        "all": JobFilter(),
        "user": JobFilter(user_id="u"),
        "tag": JobFilter(tag="x"),
        "state": JobFilter(states=(JobState.RUNNING, JobState.FAILED)),
    }
    found = {name: await store.list("default", job_filter, limit=10) for name, job_filter in lists.items()}
    assert found == {"all": [third, second, first], "user": [second, first], "tag": [third, first], "state": [third]}


async def test_paging_neither_skips_nor_repeats_while_jobs_arrive(store: SqlJobStore) -> None:
    # All of one moment: the order within it must be as firm as between moments.
    before = [(await submitted(store, create_time=START)).job_id for _ in range(10)]
    seen: list[str] = []
    job_filter = JobFilter()
    while page := await store.list("default", job_filter, limit=3):
        seen += [job.job_id for job in page]
        job_filter = JobFilter(before=(page[-1].create_time, page[-1].job_id))
        await submitted(store)  # newer than all of them
    assert seen == sorted(before, reverse=True)


async def test_the_queue_shows_every_tenant_although_one_has_most_of_it(store: SqlJobStore) -> None:
    busy = [await submitted(store, tenant="busy") for _ in range(30)]
    calm = [await submitted(store, tenant="calm") for _ in range(2)]
    await submitted(store, tenant="idle")
    await store.claim((await submitted(store, tenant="gone")).job_id, node="node-1", now=NOW, lease_until=UNTIL)
    queued = await store.queued(now=NOW, limit=6)
    assert [job.tenant for job in queued] == ["busy", "calm", "idle", "busy", "calm", "busy"]
    assert [job for job in queued if job.tenant == "busy"] == busy[:3]
    assert [job for job in queued if job.tenant == "calm"] == calm


async def test_the_queue_is_by_priority_then_age(store: SqlJobStore) -> None:
    plain, urgent, also_plain, bulk = [
        await submitted(store, config=make_config(priority=priority)) for priority in (0, 5, 0, -5)
    ]
    assert await store.queued(now=NOW, limit=10) == [urgent, plain, also_plain, bulk]


async def test_counts_name_every_state(store: SqlJobStore) -> None:
    await submitted(store)
    await running(store)
    assert await store.counts() == dict.fromkeys(JobState, 0) | {JobState.QUEUED: 1, JobState.RUNNING: 1}


# --- running --------------------------------------------------------------------------------------------------------


async def test_claim_counts_the_attempt_and_names_the_node(store: SqlJobStore) -> None:
    job = await running(store)
    assert (job.state, job.node, job.attempt, job.start_time, job.update_time) == (
        JobState.RUNNING, "node-1", 1, NOW, NOW,
    )  # fmt: skip
    assert await store.get("default", job.job_id) == job


async def test_one_of_many_claims_wins(store: SqlJobStore) -> None:
    job = await submitted(store)
    claims = await asyncio.gather(
        *(store.claim(job.job_id, node=f"node-{i}", now=NOW, lease_until=UNTIL) for i in range(20))
    )
    won = [claim for claim in claims if claim is not None]
    assert len(won) == 1
    assert await store.get("default", job.job_id) == won[0]


async def test_a_released_job_waits_in_its_old_place(store: SqlJobStore) -> None:
    job = await running(store)
    younger = await submitted(store)
    released = await store.release(job.lease, now=LATER)
    assert released is not None
    assert (released.state, released.attempt, released.update_time) == (JobState.QUEUED, 1, LATER)
    assert [queued.job_id for queued in await store.queued(now=NOW, limit=5)] == [job.job_id, younger.job_id]


async def test_the_next_attempt_starts_from_nothing(store: SqlJobStore) -> None:
    job = await running(store)
    await store.record(job.lease, Progress(10, 20, 1), [make_segment(0)], now=NOW)
    released = await store.release(job.lease, now=NOW)
    assert released is not None
    assert released.progress == Progress(10, 20, 1)
    again = await store.claim(job.job_id, node="node-2", now=LATER, lease_until=UNTIL)
    assert again is not None
    assert (again.attempt, again.node, again.progress, again.start_time) == (2, "node-2", Progress(), LATER)
    assert await stored_segments(store, job) == []


async def test_rescue_puts_back_what_the_node_held_and_nothing_else(store: SqlJobStore) -> None:
    held = [await running(store) for _ in range(3)]
    other = await store.claim((await submitted(store)).job_id, node="node-2", now=NOW, lease_until=UNTIL)
    ended = await running(store)
    await store.cancelled(ended.lease, now=NOW)
    rescued = await store.rescue("node-1", now=LATER, max_rescues=3)
    assert [(job.job_id, job.state) for job in rescued] == [(job.job_id, JobState.QUEUED) for job in held]
    assert other is not None
    assert await store.get("default", other.job_id) == other
    assert await store.rescue("node-1", now=LATER, max_rescues=3) == []


@pytest.mark.parametrize("way", ["release", "rescue"])
async def test_a_job_that_is_to_be_cancelled_is_not_put_back(store: SqlJobStore, way: str) -> None:
    job = await running(store)
    await store.request_cancel("default", job.job_id, now=NOW)
    if way == "release":
        returned = await store.release(job.lease, now=LATER)
    else:
        (returned,) = await store.rescue("node-1", now=LATER, max_rescues=3)
    assert returned is not None
    assert (returned.state, returned.end_time) == (JobState.CANCELLED, LATER)


async def test_recorded_progress_and_segments_are_there_soon(store: SqlJobStore) -> None:
    job = await running(store)
    await store.record(job.lease, Progress(1, 20, 1), [make_segment(0)], now=NOW)
    await store.record(job.lease, Progress(2, 20, 2), [make_segment(1)], now=NOW)
    assert await stored_segments(store, job) == [make_segment(0), make_segment(1)]
    assert (await store.get("default", job.job_id)).progress == Progress(2, 20, 2)


async def test_a_report_of_a_job_that_does_not_run_is_ignored(store: SqlJobStore) -> None:
    queued = await submitted(store)
    ended = await running(store)
    await store.cancelled(ended.lease, now=NOW)
    for lease in (queued.lease, ended.lease, Lease("no-such-job", "node-1", 1)):
        await store.record(lease, Progress(1, 2, 1), [make_segment(0)], now=NOW)
    for job in (queued, ended):
        assert await stored_segments(store, job) == []
        assert (await store.get("default", job.job_id)).progress == Progress()


# --- the store itself -----------------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(reopen: Callable[[], Awaitable[Stores]]) -> None:
    first = await reopen()
    queued = await submitted(first.jobs, request_id="once", fingerprint="f")
    done = await running(first.jobs)
    whole = await first.jobs.complete(done.lease, make_info(), [make_segment(0)], now=NOW)
    going = await running(first.jobs)
    await first.jobs.record(going.lease, Progress(1, 2, 1), [make_segment(0)], now=NOW)
    await first.close()
    second = await reopen()
    assert await second.jobs.get("default", queued.job_id) == queued
    assert await second.jobs.get("default", done.job_id) == whole
    assert await stored_segments(second.jobs, done) == [make_segment(0)]
    assert await stored_segments(second.jobs, going) == [make_segment(0)]
    assert (await submitted(second.jobs, request_id="once", fingerprint="f")).job_id == queued.job_id
    assert [job.job_id for job in await second.jobs.rescue("node-1", now=LATER, max_rescues=3)] == [going.job_id]
    await second.close()


async def test_a_closed_store_says_so(stores: Stores) -> None:
    await stores.jobs.counts()
    await stores.close()
    await stores.close()
    with pytest.raises(StoreUnavailable):
        await stores.jobs.counts()
    with pytest.raises(StoreUnavailable):
        await submitted(stores.jobs)
