"""A running job is held by a lease: who has lost it changes nothing any more, and who goes on starts where it was."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from stenod_server.domain.job import Checkpoint, Failure, Job, JobState, Media, Progress, RemoteMedia
from stenod_server.domain.transcript import Segment
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from tests.support.builders import START, make_info, make_job, make_segment

NOW = START + timedelta(days=1)
UNTIL = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(hours=1)
FAILURE = Failure("ENGINE_UNAVAILABLE", "nobody answers", retryable=True)
MANY = 1000


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


async def submitted(store: SqlJobStore, **changes: object) -> Job:
    return await store.submit(make_job(**changes), max_queued_jobs=1000)


async def claimed(store: SqlJobStore, job: Job, node: str = "node-1") -> Job:
    running = await store.claim(job.job_id, node=node, now=NOW, lease_until=UNTIL)
    assert running is not None
    return running


async def stored_segments(store: SqlJobStore, job: Job) -> list[Segment]:
    return [segment async for segment in store.segments(job.job_id)]


async def test_every_claim_gives_a_larger_token(store: SqlJobStore) -> None:
    job = await submitted(store)
    first = await claimed(store, job)
    await store.release(first.lease, now=NOW)
    second = await claimed(store, job, "node-2")
    assert second.lease.token > first.lease.token
    assert (first.lease_expire_time, second.attempt) == (UNTIL, 2)


async def test_a_zombies_late_writes_change_nothing(store: SqlJobStore) -> None:
    zombie = await claimed(store, await submitted(store))
    await store.rescue_expired(now=LATER, max_rescues=MANY)
    holder = await claimed(store, zombie, "node-2")
    await store.record(holder.lease, Progress(5, 10, 1), [make_segment(0)], now=NOW)
    before = await stored_segments(store, holder)
    progress = (await store.get("default", holder.job_id)).progress

    late = [make_segment(0, "what a zombie says"), make_segment(1)]
    checkpoint = Checkpoint(9, 9, "{}")
    await store.record(zombie.lease, Progress(9, 10, 2), late, now=LATER, checkpoint=checkpoint)
    assert await store.complete(zombie.lease, make_info(), late, now=LATER) is None
    assert await store.fail(zombie.lease, FAILURE, now=LATER) is None
    assert await store.release(zombie.lease, now=LATER) is None
    assert await store.cancelled(zombie.lease, now=LATER) is None
    assert await store.fetched(zombie.lease, Media(key="media/zombie")) is None
    await store.restart(zombie.lease)

    now = await store.get("default", holder.job_id)
    assert (now.state, now.lease, now.progress, now.checkpoint) == (JobState.RUNNING, holder.lease, progress, None)
    assert await stored_segments(store, holder) == before
    done = await store.complete(holder.lease, make_info(), [make_segment(1)], now=LATER)
    assert done is not None
    assert await stored_segments(store, holder) == [make_segment(0), make_segment(1)]


async def test_what_only_a_zombie_reports_is_not_stored(store: SqlJobStore) -> None:
    zombie = await claimed(store, await submitted(store))
    await store.rescue_expired(now=LATER, max_rescues=MANY)
    holder = await claimed(store, zombie)
    await store.record(zombie.lease, Progress(9, 10, 1), [make_segment(0)], now=LATER)
    assert await stored_segments(store, holder) == []
    assert (await store.get("default", holder.job_id)).progress == holder.progress


async def test_the_same_node_is_a_zombie_to_its_next_claim(store: SqlJobStore) -> None:
    before = await claimed(store, await submitted(store))
    await store.rescue("node-1", now=NOW, max_rescues=MANY)
    after = await claimed(store, before)
    assert after.node == before.node
    assert await store.complete(before.lease, make_info(), [], now=NOW) is None
    assert await store.complete(after.lease, make_info(), [], now=NOW) is not None


async def test_a_heartbeat_keeps_what_is_held_and_says_what_is_not(store: SqlJobStore) -> None:
    kept, lost, unwanted = [await claimed(store, await submitted(store)) for _ in range(3)]
    await store.release(lost.lease, now=NOW)
    await claimed(store, lost, "node-2")
    await store.request_cancel("default", unwanted.job_id, now=NOW)
    held = await store.renew([kept.lease, lost.lease, unwanted.lease], lease_until=LATER)
    assert held == {kept.job_id: False, unwanted.job_id: True}
    assert (await store.get("default", kept.job_id)).lease_expire_time == LATER
    assert (await store.get("default", lost.job_id)).lease_expire_time == UNTIL


async def test_only_a_lease_that_has_run_out_is_taken_back(store: SqlJobStore) -> None:
    job = await claimed(store, await submitted(store))
    assert await store.rescue_expired(now=UNTIL, max_rescues=MANY) == []
    await store.renew([job.lease], lease_until=LATER)
    assert await store.rescue_expired(now=UNTIL + timedelta(seconds=1), max_rescues=MANY) == []
    (rescued,) = await store.rescue_expired(now=LATER + timedelta(seconds=1), max_rescues=MANY)
    assert (rescued.job_id, rescued.state, rescued.rescues) == (job.job_id, JobState.QUEUED, 1)


async def test_the_next_attempt_goes_on_behind_the_checkpoint(store: SqlJobStore) -> None:
    job = await claimed(store, await submitted(store))
    checkpoint = Checkpoint(windows=4, segments=2, memory='{"open":[]}')
    both = [make_segment(0), make_segment(1)]
    await store.record(job.lease, Progress(10, 20, 2), both, now=NOW, checkpoint=checkpoint)
    await store.record(job.lease, Progress(12, 20, 3), [make_segment(2)], now=NOW)
    assert len(await stored_segments(store, job)) == 3
    await store.rescue("node-1", now=NOW, max_rescues=MANY)
    again = await claimed(store, job, "node-2")
    assert (again.checkpoint, again.progress.segments) == (checkpoint, 3)
    assert await stored_segments(store, again) == both  # what lies behind it will be found again

    await store.restart(again.lease)
    assert (await store.get("default", job.job_id)).checkpoint is None
    assert await stored_segments(store, again) == []


async def test_a_report_and_its_checkpoint_are_stored_together_or_not_at_all(
    reopen: Callable[[], Awaitable[Stores]],
) -> None:
    first = await reopen()
    job = await claimed(first.jobs, await submitted(first.jobs))
    for count in range(1, 6):
        checkpoint = Checkpoint(count, count, "{}")
        segment = make_segment(count - 1)
        await first.jobs.record(job.lease, Progress(count, 9, count), [segment], now=NOW, checkpoint=checkpoint)
    await first.close()
    second = await reopen()
    stored = await second.jobs.get("default", job.job_id)
    assert stored.checkpoint is not None
    assert len(await stored_segments(second.jobs, job)) == stored.checkpoint.segments == 5
    await second.close()


async def test_an_ended_job_keeps_no_checkpoint_and_knows_when_it_expires(store: SqlJobStore) -> None:
    ttl = timedelta(hours=2)
    job = await claimed(store, await submitted(store, ttl=ttl))
    await store.record(job.lease, Progress(1, 2, 0), [], now=NOW, checkpoint=Checkpoint(1, 0, "words"))
    done = await store.complete(job.lease, make_info(), [], now=LATER)
    assert done is not None
    assert (done.checkpoint, done.expire_time, done.lease_expire_time) == (None, LATER + ttl, None)


async def test_a_passing_failure_is_counted_and_waits(store: SqlJobStore) -> None:
    job = await claimed(store, await submitted(store))
    due = NOW + timedelta(seconds=20)
    waiting = await store.release(job.lease, now=NOW, failure=FAILURE, not_before=due)
    assert waiting is not None
    assert (waiting.state, waiting.failures, waiting.failure) == (JobState.QUEUED, 1, FAILURE)
    assert await store.queued(now=NOW, limit=5) == []
    assert [job.job_id for job in await store.queued(now=due, limit=5)] == [job.job_id]
    # The clock was set back by a year: nobody waits that long.
    assert len(await store.queued(now=NOW - timedelta(days=365), limit=5)) == 1


async def test_a_handed_back_job_is_not_blamed(store: SqlJobStore) -> None:
    job = await claimed(store, await submitted(store))
    waiting = await store.release(job.lease, now=NOW)
    assert waiting is not None
    assert (waiting.attempt, waiting.failures, waiting.rescues) == (1, 0, 0)


async def test_a_postponed_job_waits_and_has_not_failed(store: SqlJobStore) -> None:
    job = await claimed(store, await submitted(store))
    due = NOW + timedelta(seconds=5)
    waiting = await store.release(job.lease, now=NOW, not_before=due)
    assert waiting is not None
    assert (waiting.state, waiting.failures, waiting.failure) == (JobState.QUEUED, 0, None)
    assert await store.queued(now=NOW, limit=5) == []
    assert len(await store.queued(now=due, limit=5)) == 1


async def test_a_job_that_takes_its_nodes_down_is_given_up(store: SqlJobStore) -> None:
    job = await submitted(store)
    states = []
    for _ in range(3):
        await claimed(store, job)
        (rescued,) = await store.rescue("node-1", now=LATER, max_rescues=3)
        states.append(rescued.state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED]
    assert rescued.failure is not None
    assert (rescued.failure.reason, rescued.rescues) == ("POISON_JOB", 3)


async def test_a_job_that_gets_on_between_two_deaths_is_not_given_up(store: SqlJobStore) -> None:
    job = await submitted(store)
    for count in range(1, 10):
        running = await claimed(store, job)
        checkpoint = Checkpoint(count, 0, "{}")
        await store.record(running.lease, Progress(count, 9, 0), [], now=NOW, checkpoint=checkpoint)
        assert await stored_segments(store, job) == []  # waits for the report
        (rescued,) = await store.rescue("node-1", now=LATER, max_rescues=2)
        assert (rescued.state, rescued.rescues) == (JobState.QUEUED, 1)


async def test_a_job_that_waits_past_its_deadline_fails(store: SqlJobStore) -> None:
    late = await submitted(store, deadline_time=NOW)
    in_time = await submitted(store, deadline_time=LATER)
    without = await submitted(store)
    (failed,) = await store.fail_late(now=NOW)
    assert (failed.job_id, failed.state) == (late.job_id, JobState.FAILED)
    assert failed.failure is not None
    assert failed.failure.reason == "JOB_DEADLINE_EXCEEDED"
    assert [job.job_id for job in await store.queued(now=NOW, limit=5)] == [in_time.job_id, without.job_id]


async def test_fetched_media_forgets_the_secrets_of_its_address(store: SqlJobStore) -> None:
    remote = RemoteMedia(uri="https://example.org/a.mp3", headers=(("authorization", "secret"),))
    job = await claimed(store, await submitted(store, media=Media(key="", remote=remote)))
    assert (await store.get("default", job.job_id)).media.remote == remote
    media = Media(key="media/a", size_bytes=5, sha256="ab", remote=RemoteMedia(uri=remote.uri))
    fetched = await store.fetched(job.lease, media)
    assert fetched is not None
    assert fetched.media == media
