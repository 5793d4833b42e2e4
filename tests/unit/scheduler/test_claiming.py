"""What happens while a claim is on its way to the store and back."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from stenod_server.domain.job import Job, JobState
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import JobStore
from tests.unit.scheduler.rig import TENANT, open_rig


class TroubledClaims:
    """A job store whose claims are stored, and then answered late, or once not at all."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.stored = asyncio.Event()
        self.answer = asyncio.Event()
        self.losses = 0
        self.submits_late = False  # a submit is answered once its job's claim is stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def submit(self, job: Job, **given: Any) -> Job:
        stored = await self._store.submit(job, **given)
        if self.submits_late:
            await self.stored.wait()
        return stored

    async def claim(self, job_id: str, *, node: str, now: datetime, lease_until: datetime) -> Job | None:
        job = await self._store.claim(job_id, node=node, now=now, lease_until=lease_until)
        self.stored.set()
        if self.losses:
            self.losses -= 1
            raise StoreUnavailable("the connection broke")
        await self.answer.wait()
        return job


def _around(made: list[TroubledClaims], losses: int = 0) -> Any:
    def around(store: JobStore) -> JobStore:
        claims = TroubledClaims(store)
        claims.losses = losses
        made.append(claims)
        return cast("JobStore", claims)

    return around


async def test_a_job_cancelled_while_it_is_being_claimed_does_not_run(tmp_path: Path) -> None:
    made: list[TroubledClaims] = []
    async with open_rig(tmp_path, around=_around(made)) as rig:
        rig.engine.gate = asyncio.Event()  # never opens: it must not have to
        job = await rig.submit()
        await made[0].stored.wait()
        await rig.scheduler.cancel(TENANT, job.job_id)
        made[0].answer.set()
        assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED


async def test_a_claim_whose_answer_was_lost_is_still_ours(tmp_path: Path) -> None:
    made: list[TroubledClaims] = []
    async with open_rig(tmp_path, around=_around(made, losses=1)) as rig:
        made[0].answer.set()
        done = await rig.scheduler.wait(TENANT, (await rig.submit()).job_id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)


async def test_stopping_waits_for_the_claim_under_way_and_hands_its_job_back(tmp_path: Path) -> None:
    made: list[TroubledClaims] = []
    async with open_rig(tmp_path, around=_around(made)) as rig:
        rig.engine.gate = asyncio.Event()
        job = await rig.submit()
        await made[0].stored.wait()
        stopping = asyncio.create_task(rig.scheduler.stop())
        made[0].answer.set()
        await stopping
        assert await rig.state(job) is JobState.QUEUED


async def test_a_job_claimed_before_its_submit_is_answered_does_not_wait_again(tmp_path: Path) -> None:
    made: list[TroubledClaims] = []
    async with open_rig(tmp_path, around=_around(made)) as rig:
        made[0].submits_late = True
        job = await rig.submit()
        waiting_engines = rig.scheduler._dispatcher.waiting_engines
        made[0].answer.set()
        assert waiting_engines == 0
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)
