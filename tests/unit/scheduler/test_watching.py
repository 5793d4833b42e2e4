import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.capacity import Capacity
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.transcript import Segment
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import Draining, JobExpired, JobFinished, JobNotFinished, JobNotFound
from stenod_server.scheduler.watches import JobUpdate
from tests.support.builders import make_info, make_job, make_segment
from tests.support.eventually import eventually, settle
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import TENANT, Rig, open_rig


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


def _states(updates: list[JobUpdate]) -> list[JobState]:
    states: list[JobState] = []
    for update in updates:
        if not states or update.job.state != states[-1]:
            states.append(update.job.state)
    return states


def _segments(updates: list[JobUpdate]) -> list[Segment]:
    return [segment for update in updates for segment in update.segments]


async def _watch(rig: Rig, job: Job, **how: Any) -> list[JobUpdate]:
    return [update async for update in rig.scheduler.watches.watch(TENANT, job.job_id, **how)]


async def test_a_watch_shows_every_state_and_every_segment_once(tmp_path: Path) -> None:
    windows = make_windows(30, gap_s=1.0)
    async with open_rig(tmp_path, engine=_gated(), front_end=ScriptedFrontEnd(windows), start=False) as rig:
        job = await rig.submit()
        watch = asyncio.create_task(_watch(rig, job))
        await settle(50)
        await rig.scheduler.start()
        await rig.runs(job)
        await settle(50)
        assert rig.engine.gate
        rig.engine.gate.set()
        updates = await watch
        assert _states(updates) == [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED]
        assert [segment.index for segment in _segments(updates)] == list(range(30))
        assert all(segment.final == (u.job.state is JobState.SUCCEEDED) for u in updates for segment in u.segments)
        assert [update.job.state.is_terminal for update in updates].count(True) == 1


@pytest.mark.parametrize("is_running", [True, False])
async def test_who_skips_the_progress_is_told_of_the_job_and_its_end(tmp_path: Path, *, is_running: bool) -> None:
    front_end = ScriptedFrontEnd(make_windows(30, gap_s=1.0))
    async with open_rig(tmp_path, engine=_gated(), front_end=front_end, start=is_running) as rig:
        job = await rig.submit()
        if is_running:
            await rig.runs(job)
        ends = rig.scheduler.watches.ends(TENANT, job.job_id)
        first = await anext(ends)
        await rig.scheduler.start()
        assert rig.engine.gate
        rig.engine.gate.set()
        (last,) = [told async for told in ends]
        assert (first.state.is_terminal, last.state) == (False, JobState.SUCCEEDED)
        assert [told async for told in rig.scheduler.watches.ends(TENANT, job.job_id)] == [last]


async def test_a_job_that_ended_before_is_watched_the_same_way(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        job = await rig.submit()
        await rig.scheduler.wait(TENANT, job.job_id)
        (update,) = await _watch(rig, job)
        assert (update.job.state, len(update.segments)) == (JobState.SUCCEEDED, 1)
        assert [update.segments for update in await _watch(rig, job, include_segments=False)] == [()]
        assert _segments(await _watch(rig, job, from_segment=1)) == []


async def test_a_long_transcript_comes_in_pages(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as rig:
        job = await rig.stores.jobs.submit(make_job(), max_queued_jobs=9)
        now = rig.clock.now()
        running = await rig.stores.jobs.claim(job.job_id, node="n", now=now, lease_until=now)
        assert running
        segments = [make_segment(index) for index in range(1200)]
        await rig.stores.jobs.complete(running.lease, make_info(), segments, now=now)
        updates = await _watch(rig, job, from_segment=100)
        assert [len(update.segments) for update in updates] == [500, 500, 100]
        assert [segment.index for segment in _segments(updates)] == list(range(100, 1200))


async def test_a_slow_reader_gets_merged_updates_and_all_segments(tmp_path: Path) -> None:
    """It reads nothing while the job runs: nothing is queued for it, and it misses no segment."""
    windows = make_windows(200, gap_s=1.0)
    async with open_rig(tmp_path, front_end=ScriptedFrontEnd(windows)) as rig:
        job = await rig.submit()
        async with aclosing(rig.scheduler.watches.watch(TENANT, job.job_id)) as updates:  # type: ignore[type-var]
            first = await anext(updates)
            await rig.scheduler.wait(TENANT, job.job_id)
            rest = [update async for update in updates]
        assert len(rest) <= 3
        assert len(_segments([first, *rest])) == 200


async def test_a_watch_sees_what_another_node_does(tmp_path: Path) -> None:
    async with open_rig(tmp_path, max_engines=0, node="api") as api:
        job = await api.submit()
        watch = asyncio.create_task(_watch(api, job))
        await settle(50)
        async with open_rig(tmp_path, stores=api.stores, node="worker"):
            updates = await watch
        assert updates[-1].job.state is JobState.SUCCEEDED
        assert len(_segments(updates)) == 1


async def test_a_watch_ends_when_its_job_is_deleted(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        watch = asyncio.create_task(_watch(rig, job))
        await rig.runs(job)
        await rig.scheduler.delete(TENANT, job.job_id, force=True)
        outcome = (await asyncio.gather(watch, return_exceptions=True))[0]
        assert isinstance(outcome, JobNotFound) or outcome[-1].job.state is JobState.CANCELLED  # type: ignore[index]


async def test_a_watch_that_is_left_is_forgotten(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        watch = asyncio.create_task(_watch(rig, job))
        await eventually(lambda: bool(rig.scheduler._updates._watchers))
        watch.cancel()
        await asyncio.wait({watch})
        await eventually(lambda: not rig.scheduler._updates._watchers)


async def test_another_tenants_job_cannot_be_seen(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        job = await rig.submit()
        for call in (
            rig.scheduler.get("other", job.job_id),
            rig.scheduler.wait("other", job.job_id),
            rig.scheduler.cancel("other", job.job_id),
            rig.scheduler.delete("other", job.job_id),
            anext(rig.scheduler.watches.watch("other", job.job_id)),
        ):
            with pytest.raises(JobNotFound):
                await call


async def test_the_transcript_is_there_when_the_job_succeeded_and_only_then(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False) as rig:
        rig.scheduler.check_succeeded(make_job(state=JobState.SUCCEEDED))
        for state, error in (
            (JobState.QUEUED, JobNotFinished),
            (JobState.RUNNING, JobNotFinished),
            (JobState.FAILED, JobFinished),
            (JobState.CANCELLED, JobFinished),
            (JobState.EXPIRED, JobExpired),
        ):
            with pytest.raises(error):
                rig.scheduler.check_succeeded(make_job(state=state))


async def test_capacity_counts_reserved_lent_and_waiting(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), front_end=ScriptedFrontEnd(make_windows(50)), max_engines=8) as rig:
        two = await rig.submit(parallel_engines=2)
        await rig.until(lambda: rig.engine.in_flight == 8)
        three = await rig.submit(parallel_engines=3)  # its windows wait for those that are lent
        await rig.runs(three)
        capacity = await rig.scheduler.capacity()
        assert (capacity.max_engines, capacity.unused_engines, capacity.reserved_engines) == (8, 3, 5)
        assert (capacity.used_engines, capacity.elastic_engines) == (8, 6)
        shown = {job.job_id: (job.reserved_engines, job.elastic_engines) for job in capacity.active_jobs}
        assert shown == {two.job_id: (2, 6), three.job_id: (3, 0)}
        assert (capacity.queued_jobs, capacity.oldest_queued_age_s, capacity.real_time_factor) == (0, None, None)
        assert capacity.seen_by("other").active_jobs == ()

        await rig.submit(parallel_engines=4)
        rig.clock.advance(7)
        capacity = await rig.scheduler.capacity()
        assert (capacity.queued_jobs, capacity.oldest_queued_age_s) == (1, 7.0)
        assert capacity.accepting
        assert rig.scheduler.stalled_s() == 7.0


async def test_an_idle_node_has_no_wait_and_nothing_stalls(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        capacity = await rig.scheduler.capacity()
        assert (capacity.expected_wait_s, capacity.unused_engines, capacity.active_jobs) == (0.0, 4, ())
        rig.clock.advance(3600)
        assert rig.scheduler.stalled_s() == 0.0


async def test_watching_capacity_shows_a_job_come_and_go(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        seen: list[Capacity] = []

        async def watch() -> None:
            async for capacity in rig.scheduler.watch_capacity():
                seen.append(capacity)  # noqa: PERF401  the stream has no end

        watching = asyncio.create_task(watch())
        await eventually(lambda: bool(seen))
        job = await rig.submit(parallel_engines=3)
        await eventually(lambda: seen[-1].unused_engines == 1 and len(seen[-1].active_jobs) == 1)
        await rig.scheduler.cancel(TENANT, job.job_id)
        await eventually(lambda: seen[-1].unused_engines == 4 and not seen[-1].active_jobs)
        watching.cancel()
        await asyncio.wait({watching})
        assert not rig.scheduler._changed._events


async def test_who_watches_or_waits_is_sent_away_by_a_node_that_goes_away(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated()) as rig:
        job = await rig.submit()
        await rig.runs(job)
        seen: JobState | None = None

        async def watch() -> None:
            nonlocal seen
            async for update in rig.scheduler.watches.watch(TENANT, job.job_id):
                seen = update.job.state

        async def watch_capacity() -> None:
            async for _ in rig.scheduler.watch_capacity():
                pass

        waiting = [
            asyncio.create_task(routine)
            for routine in (watch(), watch_capacity(), rig.scheduler.wait(TENANT, job.job_id))
        ]
        await settle()
        await rig.scheduler.drain(0.0)
        outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10.0)
        assert [type(outcome) for outcome in outcomes] == [Draining] * 3
        assert seen is JobState.QUEUED  # where it is now
