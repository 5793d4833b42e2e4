"""A job whose node died goes on where it was, on whatever node, and has one result; a zombie's does not count."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.job import Checkpoint, Job, JobState, Progress
from stenod_server.domain.transcript import Segment
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import EngineUnavailable
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

WINDOWS = 12


async def _words(rig: Rig, job: Job) -> list[tuple[str, int]]:
    segments = [segment async for segment in rig.scheduler.segments(job)]
    assert [segment.index for segment in segments] == list(range(len(segments)))
    return [(word.text, word.start_samples) for segment in segments for word in segment.words]


async def _undisturbed(directory: Path) -> list[tuple[str, int]]:
    async with open_rig(directory, front_end=_recording()) as rig:
        job = await rig.submit()
        await rig.scheduler.wait(TENANT, job.job_id)
        return await _words(rig, job)


def _recording() -> ScriptedFrontEnd:
    # A pause after each window: every window is a segment or two.
    return ScriptedFrontEnd(make_windows(WINDOWS, gap_s=1.0))


class _Stopping(FakeEngine):
    """Recognises so many windows, then waits for ever, or until it is told to fail once."""

    def __init__(self, windows: int) -> None:
        super().__init__()
        self._left = windows
        self._failure: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.is_waiting = False

    def fail(self, error: Exception) -> None:
        assert self.is_waiting
        self._left = 1_000_000
        self._failure.set_exception(error)

    async def recognise(self, *args: Any, **options: Any) -> Any:
        if self._left == 0:
            self.is_waiting = True
            return await self._failure
        self._left -= 1
        return await super().recognise(*args, **options)


@asynccontextmanager
async def _frozen_after(directory: Path, windows: int, **options: Any) -> AsyncIterator[tuple[Rig, Job]]:
    """A node that has recognised and stored so many windows of a job, and does nothing more."""
    async with open_rig(directory, engine=_Stopping(windows), front_end=_recording(), **options) as rig:
        job = await rig.submit()

        async def stored() -> bool:
            now = await rig.stores.jobs.get(TENANT, job.job_id)
            return now.checkpoint is not None and now.checkpoint.windows == windows

        for _ in range(2000):
            if await stored():
                break
            await asyncio.sleep(0.002)
        assert await stored()
        yield rig, job


async def test_a_rescued_job_recognises_only_what_is_left_and_says_the_same(tmp_path: Path) -> None:
    wanted = await _undisturbed(tmp_path / "a")
    async with _frozen_after(tmp_path / "b", 7, max_engines=1) as (dead, job):
        dead.clock.advance(3600)
        async with open_rig(tmp_path, stores=dead.stores, node="node-b", front_end=_recording()) as rig:
            rig.clock.advance(3600)
            await rig.scheduler._dispatcher._leases.beat()
            done = await rig.scheduler.wait(TENANT, job.job_id)
            assert (done.state, done.node, done.attempt) == (JobState.SUCCEEDED, "node-b", 2)
            assert await _words(rig, job) == wanted
            assert rig.engine.completed == WINDOWS - 7
            assert done.info
            assert done.info.windows == WINDOWS


async def test_a_zombie_that_wakes_up_changes_nothing_and_lets_go(tmp_path: Path) -> None:
    wanted = await _undisturbed(tmp_path / "a")
    async with _frozen_after(tmp_path / "b", 5, max_engines=1) as (zombie, job):
        running = zombie.scheduler._dispatcher.running[job.job_id]
        async with open_rig(tmp_path, stores=zombie.stores, node="node-b", front_end=_recording()) as rig:
            rig.clock.advance(3600)
            await rig.scheduler._dispatcher._leases.beat()
            done = await rig.scheduler.wait(TENANT, job.job_id)
            # It wakes up in the middle of storing a window, and in the middle of ending the job.
            late = [Segment(0, ())]
            await zombie.stores.jobs.record(running.job.lease, Progress(1, 2, 1), late, now=zombie.clock.now())
            assert await zombie.stores.jobs.cancelled(running.job.lease, now=zombie.clock.now()) is None
            await zombie.scheduler._dispatcher._leases.beat()
            await eventually(lambda: not zombie.scheduler._dispatcher.running)
            assert await rig.scheduler.get(TENANT, job.job_id) == done
            assert await _words(rig, job) == wanted
            assert (await zombie.scheduler.capacity()).unused_engines == 1


async def test_a_node_that_was_frozen_keeps_what_nobody_has_taken(tmp_path: Path) -> None:
    async with _frozen_after(tmp_path, 3, max_engines=1) as (rig, job):
        before = await rig.scheduler.get(TENANT, job.job_id)
        rig.clock.advance(365 * 86_400)  # or its clock was set forward
        await rig.scheduler._dispatcher._leases.beat()
        after = await rig.scheduler.get(TENANT, job.job_id)
        assert (after.state, after.lease, after.attempt) == (JobState.RUNNING, before.lease, 1)


async def test_the_heartbeat_sees_a_cancel_from_another_node(tmp_path: Path) -> None:
    async with _frozen_after(tmp_path, 1, max_engines=1) as (rig, job):
        await rig.stores.jobs.request_cancel(TENANT, job.job_id, now=rig.clock.now())
        await rig.scheduler._dispatcher._leases.beat()
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED


async def test_a_drained_job_goes_on_elsewhere_and_is_not_blamed(tmp_path: Path) -> None:
    wanted = await _undisturbed(tmp_path / "a")
    async with _frozen_after(tmp_path / "b", 8, max_engines=1, record_interval_s=0.0) as (first, job):
        await first.scheduler.drain(0.0)
        async with open_rig(tmp_path, stores=first.stores, node="node-b", front_end=_recording()) as second:
            done = await second.scheduler.wait(TENANT, job.job_id)
            assert (done.state, done.attempt, done.failures, done.rescues) == (JobState.SUCCEEDED, 2, 0, 0)
            assert await _words(second, job) == wanted
            assert second.engine.completed == WINDOWS - 8


async def test_draining_stores_what_was_recognised_since_the_last_report(tmp_path: Path) -> None:
    """Progress is stored once in an hour here; a drain does not lose that hour."""
    engine = _Stopping(6)
    async with open_rig(
        tmp_path, engine=engine, front_end=_recording(), record_interval_s=3600.0, max_engines=1
    ) as rig:
        job = await rig.submit()
        await eventually(lambda: rig.seen.windows == 6)
        await rig.scheduler.drain(0.0)
        waiting = await rig.scheduler.get(TENANT, job.job_id)
        assert waiting.state is JobState.QUEUED
        assert waiting.checkpoint
        assert waiting.checkpoint.windows == 6


async def test_a_passing_failure_keeps_the_windows_before_it(tmp_path: Path) -> None:
    engine = _Stopping(5)
    async with open_rig(tmp_path, engine=engine, front_end=_recording(), max_engines=1) as rig:
        job = await rig.submit()
        await eventually(lambda: rig.seen.windows == 5 and engine.is_waiting)
        engine.fail(EngineUnavailable("gone"))
        await rig.released(job)
        waiting = await rig.scheduler.get(TENANT, job.job_id)
        assert (waiting.failures, waiting.state) == (1, JobState.QUEUED)
        rig.clock.advance(60)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt, done.failure) == (JobState.SUCCEEDED, 2, None)
        assert engine.completed == WINDOWS


@pytest.mark.parametrize("memory", ['{"signature":"of another release"}', '{"signature":"1 other 1/2 0-0 False"}'])
async def test_a_checkpoint_that_does_not_fit_is_not_gone_on_from(tmp_path: Path, memory: str) -> None:
    wanted = await _undisturbed(tmp_path / "a")
    async with open_rig(tmp_path, front_end=_recording(), start=False) as rig:
        job = await rig.submit()
        store, now = rig.stores.jobs, rig.clock.now()
        running = await store.claim(job.job_id, node="node-a", now=now, lease_until=now)
        assert running
        await store.record(
            running.lease, Progress(9, 9, 3), [Segment(0, ())], now=now, checkpoint=Checkpoint(3, 1, memory)
        )
        await store.release(running.lease, now=now)
        await rig.scheduler.start()
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert await _words(rig, done) == wanted
        assert rig.engine.completed == WINDOWS


async def test_a_poison_job_does_not_take_a_node_down_for_ever(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False, max_rescues=2) as rig:
        job = await rig.submit()
        for _ in range(2):
            now = rig.clock.now()
            await rig.stores.jobs.claim(job.job_id, node="node-a", now=now, lease_until=now)  # and its node died
            await rig.scheduler._dispatcher._leases.take_back()
        ended = await rig.scheduler.get(TENANT, job.job_id)
        assert ended.failure
        assert (ended.state, ended.failure.reason) == (JobState.FAILED, "POISON_JOB")
        assert f"FAILED {job.job_id}" in rig.seen.events
