"""What a job says before it knows who spoke, in every JobStore: drafts, and the segments that take their place."""

from datetime import timedelta

import pytest

from stenod_server.domain.job import Checkpoint, Job, JobState, Progress
from stenod_server.ports import CacheKey
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from tests.contract.lives import FAILURE, LATER, NOW, UNTIL, running, stored_drafts, stored_segments
from tests.support.builders import make_info, make_segment

DRAFTS = [make_segment(index, final=False) for index in range(3)]
FINAL = [make_segment(index, speaker=f"S{index}") for index in range(5)]
CHECKPOINT = Checkpoint(windows=7, segments=3, memory="{}")


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


async def _drafted(store: SqlJobStore, checkpoint: Checkpoint | None = CHECKPOINT) -> Job:
    job = await running(store, ttl=timedelta(hours=1))
    await store.record(job.lease, Progress(1, 20, 3), DRAFTS, now=NOW, checkpoint=checkpoint)
    assert await stored_drafts(store, job) == DRAFTS
    return job


async def _claimed_again(store: SqlJobStore) -> Job:
    (rescued,) = await store.rescue("node-1", now=NOW, max_rescues=9)
    again = await store.claim(rescued.job_id, node="node-2", now=NOW, lease_until=UNTIL)
    assert again
    return again


async def test_drafts_are_read_on_their_own(store: SqlJobStore) -> None:
    job = await _drafted(store)
    assert (await stored_drafts(store, job), await stored_segments(store, job)) == (DRAFTS, [])
    assert [one.index async for one in store.segments(job.job_id, from_index=2, final=False)] == [2]


async def test_final_segments_take_the_place_of_the_drafts_when_the_job_ends(store: SqlJobStore) -> None:
    job = await _drafted(store)
    assert await store.finalise(job.lease, FINAL[:2])
    assert await store.finalise(job.lease, FINAL[2:4])
    assert await stored_drafts(store, job) == DRAFTS
    done = await store.complete(job.lease, make_info(), FINAL[4:], now=LATER)
    assert done
    assert (done.state, done.progress.segments) == (JobState.SUCCEEDED, 5)
    assert (await stored_drafts(store, job), await stored_segments(store, job)) == ([], FINAL)


async def test_drafts_that_were_not_stored_yet_are_never_stored(store: SqlJobStore) -> None:
    job = await running(store)
    await store.record(job.lease, Progress(1, 20, 3), DRAFTS, now=NOW)
    await store.complete(job.lease, make_info(), FINAL, now=LATER)
    assert (await stored_drafts(store, job), await stored_segments(store, job)) == ([], FINAL)


async def test_the_next_attempt_keeps_the_drafts_and_no_final_segment(store: SqlJobStore) -> None:
    job = await _drafted(store)
    await store.finalise(job.lease, FINAL[:4])
    again = await _claimed_again(store)
    assert (await stored_drafts(store, again), await stored_segments(store, again)) == (DRAFTS, [])
    assert again.checkpoint == CHECKPOINT
    await store.complete(again.lease, make_info(), FINAL[:2], now=LATER)
    assert await stored_segments(store, again) == FINAL[:2]


async def test_who_has_lost_its_lease_finalises_nothing(store: SqlJobStore) -> None:
    zombie = await _drafted(store)
    again = await _claimed_again(store)
    assert not await store.finalise(zombie.lease, FINAL)
    assert await stored_segments(store, again) == []


async def test_an_attempt_without_a_checkpoint_begins_with_nothing(store: SqlJobStore) -> None:
    job = await _drafted(store, checkpoint=None)
    again = await _claimed_again(store)
    assert (await stored_drafts(store, job), again.progress) == ([], Progress())


async def test_a_restart_forgets_drafts_and_final_segments(store: SqlJobStore) -> None:
    job = await _drafted(store)
    await store.finalise(job.lease, FINAL)
    await store.restart(job.lease)
    assert (await stored_drafts(store, job), await stored_segments(store, job)) == ([], [])


async def test_a_failed_job_keeps_its_drafts_until_it_expires_or_is_deleted(stores: Stores) -> None:
    jobs = [await _drafted(stores.jobs), await _drafted(stores.jobs)]
    for job in jobs:
        await stores.jobs.fail(job.lease, FAILURE, now=NOW)
        assert await stored_drafts(stores.jobs, job) == DRAFTS
    await stores.jobs.delete("default", jobs[0].job_id)
    await stores.retention.expire(now=NOW + timedelta(hours=2), limit=9)
    assert [await stored_drafts(stores.jobs, job) for job in jobs] == [[], []]


async def test_a_transcript_that_is_used_again_has_no_drafts(store: SqlJobStore) -> None:
    first, key = await running(store), CacheKey("digest", NOW - timedelta(days=1))
    await store.complete(first.lease, make_info(), FINAL, now=NOW, cache=key)
    second = await _drafted(store)
    assert await store.reuse(second, key, now=LATER)
    assert (await stored_drafts(store, second), await stored_segments(store, second)) == ([], FINAL)
