"""How jobs end in every JobStore, and that what is deleted is gone."""

import asyncio
from datetime import timedelta

import pytest

from stenod_server.domain.job import JobState, Progress
from stenod_server.domain.transcript import Segment, Warning, Word  # noqa: A004  the word the API uses
from stenod_server.errors import IdempotencyMismatch, JobNotFound, JobRunning
from stenod_server.ports import JobFilter
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Stores
from tests.contract.lives import FAILURE, LATER, NOW, UNTIL, running, stored_segments, submitted
from tests.support.builders import make_config, make_info, make_segment


@pytest.fixture
def store(stores: Stores) -> SqlJobStore:
    return stores.jobs


# --- the end --------------------------------------------------------------------------------------------------------


async def test_a_completed_job_has_its_whole_transcript(store: SqlJobStore) -> None:
    job = await running(store)
    await store.record(job.lease, Progress(1, 20, 2), [make_segment(0), make_segment(1)], now=NOW)
    relabelled = make_segment(1, speaker="S1")
    info = make_info(warnings=(Warning("MEDIA_TRUNCATED", "the file ends early"),))
    done = await store.complete(job.lease, info, [relabelled, make_segment(2)], now=LATER)
    assert done is not None
    assert (done.state, done.info, done.end_time) == (JobState.SUCCEEDED, info, LATER)
    assert done.progress == Progress(info.duration_samples, info.duration_samples, segments=3)
    assert await store.get("default", job.job_id) == done
    assert await stored_segments(store, job) == [make_segment(0), relabelled, make_segment(2)]


async def test_words_keep_their_own_labels_and_offsets(store: SqlJobStore) -> None:
    job = await running(store)
    words = (
        Word("Grüß", 0, 10, 0.1234, "de", "left", "S1"),
        Word("„Gott“", 10, 2**40, 1.0, "", "", ""),
        Word('"', 2**40, 2**40, 0.0, "de", "left", "S2"),
    )
    segment = Segment(0, words, language="de", channel="left", speaker="S1")
    await store.complete(job.lease, make_info(), [segment], now=NOW)
    assert await stored_segments(store, job) == [segment]


async def test_silence_gives_an_empty_transcript(store: SqlJobStore) -> None:
    job = await running(store)
    done = await store.complete(job.lease, make_info(), [], now=NOW)
    assert done is not None
    assert await stored_segments(store, job) == []


async def test_segments_stream_in_order_from_any_index(store: SqlJobStore) -> None:
    job = await running(store)
    segments = [make_segment(index) for index in range(450)]  # more than two pages
    await store.complete(job.lease, make_info(), segments[::-1], now=NOW)
    assert await stored_segments(store, job) == segments
    assert await stored_segments(store, job, from_index=399) == segments[399:]
    assert await stored_segments(store, job, from_index=450) == []


async def test_a_failed_job_says_why(store: SqlJobStore) -> None:
    job = await running(store)
    failed = await store.fail(job.lease, FAILURE, now=LATER)
    assert failed is not None
    assert (failed.state, failed.failure, failed.end_time) == (JobState.FAILED, FAILURE, LATER)
    assert await store.get("default", job.job_id) == failed


async def test_cancelling_a_waiting_job_ends_it_at_once(store: SqlJobStore) -> None:
    job = await submitted(store)
    cancelled = await store.request_cancel("default", job.job_id, now=NOW)
    assert (cancelled.state, cancelled.end_time) == (JobState.CANCELLED, NOW)
    assert await store.claim(job.job_id, node="node-1", now=NOW, lease_until=UNTIL) is None


async def test_cancelling_a_running_job_marks_it_for_its_executor(store: SqlJobStore) -> None:
    job = await running(store)
    marked = await store.request_cancel("default", job.job_id, now=LATER)
    assert (marked.state, marked.cancel_requested) == (JobState.RUNNING, True)
    assert await store.request_cancel("default", job.job_id, now=LATER + timedelta(1)) == marked
    ended = await store.cancelled(job.lease, now=LATER)
    assert ended is not None
    assert ended.state is JobState.CANCELLED


async def test_cancelling_a_job_that_ended_changes_nothing(store: SqlJobStore) -> None:
    job = await running(store)
    done = await store.complete(job.lease, make_info(), [], now=NOW)
    assert await store.request_cancel("default", job.job_id, now=LATER) == done


async def test_of_complete_and_cancel_exactly_one_wins(store: SqlJobStore) -> None:
    for _ in range(10):
        job = await running(store)
        completed, cancelled = await asyncio.gather(
            store.complete(job.lease, make_info(), [make_segment(0)], now=NOW), store.cancelled(job.lease, now=NOW)
        )
        assert (completed is None) != (cancelled is None)
        assert await store.get("default", job.job_id) == (completed or cancelled)
        assert len(await stored_segments(store, job)) == (1 if completed else 0)


# --- delete ---------------------------------------------------------------------------------------------------------


async def test_a_deleted_job_is_gone_with_its_transcript(store: SqlJobStore) -> None:
    job = await running(store, config=make_config(tags=("x",)))
    done = await store.complete(job.lease, make_info(), [make_segment(0)], now=NOW)
    assert await store.delete("default", job.job_id) == done
    with pytest.raises(JobNotFound):
        await store.get("default", job.job_id)
    assert await stored_segments(store, job) == []
    assert await store.list("default", JobFilter(tag="x"), limit=5) == []


async def test_a_running_job_is_not_deleted(store: SqlJobStore) -> None:
    job = await running(store)
    with pytest.raises(JobRunning):
        await store.delete("default", job.job_id)
    assert await store.get("default", job.job_id) == job


async def test_the_request_of_a_deleted_job_is_not_done_again(store: SqlJobStore) -> None:
    job = await submitted(store, request_id="once", fingerprint="f")
    await store.delete("default", job.job_id)
    with pytest.raises(JobNotFound):
        await submitted(store, request_id="once", fingerprint="f")
    with pytest.raises(IdempotencyMismatch):
        await submitted(store, request_id="once", fingerprint="g")
