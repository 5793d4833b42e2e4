"""A job with a deadline has ended by then, whether it ran or waited."""

import asyncio
from datetime import timedelta
from pathlib import Path

from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FakeEngine
from tests.unit.scheduler.rig import TENANT, open_rig


async def test_a_job_that_runs_past_its_deadline_fails_and_frees_its_engines(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()  # never opens
    async with open_rig(tmp_path, engine=engine) as rig:
        job = await rig.submit(deadline=timedelta(seconds=0.2))
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert done.failure
        assert (done.state, done.failure.reason, done.attempt) == (JobState.FAILED, "JOB_DEADLINE_EXCEEDED", 1)
        assert engine.in_flight == 0
        assert (await rig.scheduler.capacity()).unused_engines == 4


async def test_a_job_that_waits_past_its_deadline_fails_without_running(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.ready = False
    async with open_rig(tmp_path, engine=engine) as rig:
        job = await rig.submit(deadline=timedelta(seconds=60))
        rig.clock.advance(59)
        await rig.scheduler._dispatcher._leases.beat()
        assert await rig.state(job) is JobState.QUEUED
        rig.clock.advance(1)
        await rig.scheduler._dispatcher._leases.beat()
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert done.failure
        assert (done.state, done.failure.reason, done.attempt) == (JobState.FAILED, "JOB_DEADLINE_EXCEEDED", 0)
        engine.ready = True
        await asyncio.sleep(0.05)
        assert engine.completed == 0


async def test_a_job_that_is_quicker_than_its_deadline_notices_nothing(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        job = await rig.submit(deadline=timedelta(hours=1))
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.SUCCEEDED
