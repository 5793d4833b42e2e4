import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stenod_server.app.wiring import scheduler_options
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.errors import EngineUnavailable, JobNotFound, JobRunning, NoAudio, WindowTimeout
from stenod_server.settings import load
from stenod_server.speakers.identification import identification_of_its_own
from tests.support.builders import START
from tests.support.eventually import settle
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import TENANT, open_rig


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


def _open(engine: FakeEngine) -> None:
    assert engine.gate
    engine.gate.set()


async def test_a_job_is_queued_runs_and_succeeds(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        job = await rig.submit(language="en")
        assert job.state is JobState.QUEUED
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt, done.node) == (JobState.SUCCEEDED, 1, "node-a")
        assert done.info
        assert (done.info.duration_samples, done.info.language, done.info.windows) == (6 * HZ, "en", 3)
        texts = [segment.text async for segment in rig.scheduler.segments(job)]
        assert " ".join(texts) == "32000-0 32000-1 " * 2 + "32000-0 32000-1"
        assert rig.seen.events == [f"{what} {job.job_id}" for what in ("submitted", "claimed", "SUCCEEDED")]
        assert rig.seen.windows == 3


async def test_silence_succeeds_with_an_empty_transcript(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=ScriptedFrontEnd(duration_samples=60 * HZ)) as rig:
        done = await rig.scheduler.wait(TENANT, (await rig.submit()).job_id)
        assert done.state is JobState.SUCCEEDED
        assert [segment async for segment in rig.scheduler.segments(done)] == []


async def test_bad_input_fails_at_once_and_is_never_tried_again(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=ScriptedFrontEnd(error=NoAudio("no audio stream"))) as rig:
        done = await rig.scheduler.wait(TENANT, (await rig.submit()).job_id)
        assert (done.state, done.attempt) == (JobState.FAILED, 1)
        assert done.failure
        assert (done.failure.reason, done.failure.message) == ("NO_AUDIO", "no audio stream")


async def test_a_passing_failure_is_tried_again_after_its_backoff(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=FakeEngine(failures=[EngineUnavailable("gone")])) as rig:
        job = await rig.submit()
        await rig.released(job)
        rig.clock.advance(9.9)
        await settle(200)
        assert await rig.state(job) is JobState.QUEUED
        rig.clock.advance(0.2)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)


async def test_the_last_attempt_that_fails_is_final(tmp_path: Path) -> None:
    engine = FakeEngine(failures=[WindowTimeout("slow")] * 30)
    async with open_rig(tmp_path, engine=engine, front_end=ScriptedFrontEnd(make_windows(1))) as rig:
        job = await rig.submit()
        for count in (1, 2):
            await rig.released(job, times=count)
            rig.clock.advance(60)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt) == (JobState.FAILED, 3)
        assert done.failure
        assert (done.failure.reason, done.failure.retryable) == ("WINDOW_TIMEOUT", True)


async def test_a_fault_of_ours_fails_the_job_with_an_id_and_harms_no_other(tmp_path: Path) -> None:
    engine = FakeEngine(failures=[ZeroDivisionError("secret detail")])
    async with open_rig(tmp_path, engine=engine) as rig:
        jobs = [await rig.submit(), await rig.submit()]  # which of them is at the recogniser first is open
        ended = [await rig.scheduler.wait(TENANT, job.job_id) for job in jobs]
        assert sorted(job.state for job in ended) == [JobState.FAILED, JobState.SUCCEEDED]
        failure = next(job.failure for job in ended if job.failure)
        assert failure.reason == "INTERNAL"
        assert "secret" not in failure.message


class _Unwritable(FakeEngine):
    """Half a surrogate pair with each word, which no store can write."""

    async def recognise(self, *args: Any, **options: Any) -> Any:
        result = await super().recognise(*args, **options)
        return replace(result, words=tuple(replace(word, language="\ud800") for word in result.words))


@pytest.mark.parametrize("record_interval_s", [0.0, 3600.0])
async def test_what_the_store_cannot_write_fails_its_job_and_leaves_none_hanging(
    tmp_path: Path, record_interval_s: float
) -> None:
    front_end = ScriptedFrontEnd(make_windows(3, gap_s=1.0))
    async with open_rig(
        tmp_path, engine=_Unwritable(), front_end=front_end, record_interval_s=record_interval_s
    ) as rig:
        job = await rig.submit()
        async with asyncio.timeout(20):
            done = await rig.scheduler.wait(TENANT, job.job_id)
        assert done.failure
        assert (done.state, done.failure.reason) == (JobState.FAILED, "INTERNAL")
        assert (await rig.scheduler.capacity()).unused_engines == 4


async def test_cancelling_a_queued_job_ends_it_at_once(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1) as rig:
        first, second = await rig.submit(), await rig.submit()
        await rig.runs(first)
        assert (await rig.scheduler.cancel(TENANT, second.job_id)).state is JobState.CANCELLED
        assert f"CANCELLED {second.job_id}" in rig.seen.events
        _open(rig.engine)
        await rig.scheduler.wait(TENANT, first.job_id)
        assert await rig.state(second) is JobState.CANCELLED


async def test_cancelling_a_running_job_ends_the_windows_in_flight(tmp_path: Path) -> None:
    """Their gate never opens: the cancel does not even wait for one window."""
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        await rig.until(lambda: rig.engine.in_flight == 3)
        assert (await rig.scheduler.cancel(TENANT, job.job_id)).cancel_requested
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert done.state is JobState.CANCELLED
        assert (rig.engine.in_flight, rig.engine.cancelled, rig.front_end.open) == (0, 3, 0)
        assert (await rig.scheduler.capacity()).unused_engines == 4
        rig.clock.advance(1)
        again = await rig.scheduler.cancel(TENANT, job.job_id)
        assert again.state is JobState.CANCELLED
        assert rig.seen.events.count(f"CANCELLED {job.job_id}") == 1


async def test_a_cancel_from_another_process_is_seen_at_the_next_window(tmp_path: Path) -> None:
    engine = FakeEngine(fixed_delay_s=0.005)
    async with open_rig(tmp_path, engine=engine, front_end=ScriptedFrontEnd(make_windows(10_000))) as rig:
        job = await rig.submit()
        await rig.until(lambda: rig.seen.windows > 2)
        await rig.stores.jobs.request_cancel(TENANT, job.job_id, now=rig.clock.now())
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED
        assert rig.seen.windows < 5000


async def test_delete_needs_force_while_a_job_runs_and_erases_everything(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        await rig.runs(job)
        with pytest.raises(JobRunning):
            await rig.scheduler.delete(TENANT, job.job_id)
        await rig.scheduler.delete(TENANT, job.job_id, force=True)
        assert not await rig.stores.blobs.exists(job.media.key)
        with pytest.raises(JobNotFound):
            await rig.scheduler.get(TENANT, job.job_id)


async def test_deleting_a_queued_job_takes_it_out_of_the_line(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1) as rig:
        first, second, third = [await rig.submit() for _ in range(3)]
        await rig.runs(first)
        await rig.scheduler.delete(TENANT, second.job_id)
        _open(rig.engine)
        assert (await rig.scheduler.wait(TENANT, third.job_id)).state is JobState.SUCCEEDED
        assert (await rig.scheduler.capacity()).queued_jobs == 0


async def test_jobs_of_a_restarted_node_go_back_to_the_queue_and_run(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as first:
        job = await first.submit()
        await first.stores.jobs.claim(job.job_id, node="node-a", now=START, lease_until=START)  # then it was killed
        async with open_rig(tmp_path, stores=first.stores) as second:
            done = await second.scheduler.wait(TENANT, job.job_id)
            assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)


async def test_a_rescued_job_that_was_to_be_cancelled_is_not_run(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as first:
        job = await first.submit()
        await first.stores.jobs.claim(job.job_id, node="node-a", now=START, lease_until=START)
        await first.scheduler.cancel(TENANT, job.job_id)
        async with open_rig(tmp_path, stores=first.stores) as second:
            assert (await second.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED
            assert second.front_end.opened == 0


async def test_drain_lets_jobs_finish(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1) as rig:
        running, waiting = await rig.submit(), await rig.submit()
        await rig.until(lambda: rig.engine.in_flight == 1)
        draining = asyncio.create_task(rig.scheduler.drain(20.0))
        await settle()
        _open(rig.engine)
        await draining
        assert await rig.state(running) is JobState.SUCCEEDED
        assert await rig.state(waiting) is JobState.QUEUED


async def test_drain_hands_back_what_does_not_finish_in_time(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        await rig.until(lambda: rig.engine.in_flight == 3)
        await rig.scheduler.drain(0.0)
        assert await rig.state(job) is JobState.QUEUED
        assert rig.engine.in_flight == 0
        await rig.scheduler.drain(0.0)


async def test_nothing_is_claimed_while_the_recogniser_is_not_ready(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.ready = False
    async with open_rig(tmp_path, engine=engine) as rig:
        job = await rig.submit()
        await settle(300)
        assert await rig.state(job) is JobState.QUEUED
        engine.ready = True
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.SUCCEEDED


async def test_a_job_whose_recogniser_is_away_waits_and_lets_others_pass(tmp_path: Path) -> None:
    engine = FakeEngine([FAKE_PROFILE, replace(FAKE_PROFILE, model="other")])
    engine.away = {"other"}
    async with open_rig(tmp_path, engine=engine, max_engines=1) as rig:
        waiting, passing = await rig.submit(model="other"), await rig.submit()
        assert (await rig.scheduler.wait(TENANT, passing.job_id)).state is JobState.SUCCEEDED
        assert (await rig.state(waiting), engine.completed) == (JobState.QUEUED, 3)
        engine.away.clear()
        rig.clock.advance(1.0)
        assert (await rig.scheduler.wait(TENANT, waiting.job_id)).state is JobState.SUCCEEDED


async def test_a_node_without_engines_accepts_and_another_one_runs(tmp_path: Path) -> None:
    async with open_rig(tmp_path, max_engines=0, node="api") as api:
        job = await api.submit(parallel_engines=3)
        await settle(200)
        assert await api.state(job) is JobState.QUEUED
        async with open_rig(tmp_path, stores=api.stores, node="worker"):
            done = await api.scheduler.wait(TENANT, job.job_id)
            assert (done.state, done.node) == (JobState.SUCCEEDED, "worker")


async def test_two_nodes_run_each_job_once(tmp_path: Path) -> None:
    async with open_rig(tmp_path, node="a") as a, open_rig(tmp_path, stores=a.stores, node="b") as b:
        jobs = [await rig.submit() for rig in (a, b) for _ in range(10)]
        for job in jobs:
            assert (await a.scheduler.wait(TENANT, job.job_id)).attempt == 1


async def test_somebody_who_waits_at_the_line_goes_before_bulk_work_at_the_recogniser(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        for interactive in (True, False):
            job = await rig.submit(interactive=interactive)
            await rig.scheduler.wait(TENANT, job.job_id)
        assert [request.interactive for request in rig.engine.requests] == [True] * 3 + [False] * 3


async def test_the_configuration_reaches_the_front_end_and_the_recogniser(tmp_path: Path) -> None:
    settings = load(chunk_s=10.0, chunk_left_s=2.0, chunk_right_s=1.5)
    async with open_rig(tmp_path, chunks=scheduler_options(settings, 1, identification_of_its_own()).chunks) as rig:
        job = await rig.submit(language="de-AT", start_s=1.0, end_s=5.0)
        await rig.scheduler.wait(TENANT, job.job_id)
        (plan,) = rig.front_end.plans
        assert (plan.start_s, plan.end_s, plan.window_max_samples) == (1.0, 5.0, 30 * HZ)
        assert plan.chunks == ChunkLengths(kept_samples=10 * HZ, left_samples=2 * HZ, right_samples=24_000)
        assert {request.language for request in rig.engine.requests} == {"de"}


async def test_stop_tolerates_a_scheduler_that_never_started_and_a_second_stop(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as rig:
        await rig.scheduler.stop()
        await rig.scheduler.stop()
