import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.job import Job, JobConfig, JobState, Media, Origin, RemoteMedia
from stenod_server.domain.retry import RetryPolicy
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import (
    DecoderDied,
    Draining,
    EnginesExhausted,
    InvalidRequest,
    JobFinished,
    Unavailable,
    UnsupportedMedia,
)
from stenod_server.ports import JobFilter
from stenod_server.scheduler.attendance import Attendance, Attended
from stenod_server.scheduler.intake import Intake, IntakeLimits, RemoteOrigin, StoredMedia
from stenod_server.scheduler.scheduler import Submission
from stenod_server.scheduler.uploads import UploadLimits, Uploads
from tests.support.eventually import eventually, settle
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

FOR_EVER_S = 3600.0
SOON_S = 0.05


class BrokenOff(Exception):
    """What ends a call in the middle."""


@dataclass(frozen=True)
class Hall:
    """A scheduler with an attendance; its recogniser waits until the test opens it."""

    rig: Rig
    attendance: Attendance

    def open(self) -> None:
        assert self.rig.engine.gate
        self.rig.engine.gate.set()

    async def media(self, sha256: str = "a" * 64) -> Media:
        stored = await self.rig.media()
        return Media(key=stored.key, size_bytes=4, sha256=sha256)

    @asynccontextmanager
    async def attend(
        self, media: Media | None = None, *, tenant: str = TENANT, fail_fast: bool = False, **config: Any
    ) -> AsyncIterator[Attended]:
        origin = StoredMedia(media or await self.media())
        submission = Submission(config=JobConfig(**config), interactive=True, fail_fast=fail_fast)
        async with self.attendance.attend(tenant, submission, origin) as attended:
            yield attended

    async def break_off(self, **asked: Any) -> Job:
        with pytest.raises(BrokenOff):
            async with self.attend(**asked) as attended:
                raise BrokenOff
        return attended.job

    async def jobs(self, tenant: str = TENANT) -> list[Job]:
        return list(await self.rig.scheduler.list(tenant, JobFilter(), limit=100))

    async def until(self, job: Job, state: JobState) -> None:
        async with asyncio.timeout(20):
            assert (await self.rig.scheduler.wait(job.tenant, job.job_id)).state is state


@asynccontextmanager
async def open_hall(directory: Path, *, grace_s: float = FOR_EVER_S, **rig: Any) -> AsyncIterator[Hall]:
    engine = rig.pop("engine", None) or FakeEngine()
    engine.gate = engine.gate or asyncio.Event()
    async with open_rig(directory, engine=engine, **rig) as opened:
        limits = UploadLimits(max_media_bytes=1000, max_upload_streams=2, ttl=timedelta(hours=1))
        stores = opened.stores
        uploads = Uploads(stores.uploads, stores.spool, clock=opened.clock, limits=limits)
        intake = Intake(
            opened.scheduler,
            uploads,
            blobs=stores.blobs,
            fetcher=opened.fetcher,
            limits=IntakeLimits(max_inline_bytes=1000, max_media_bytes=1000),
        )
        attendance = Attendance(opened.scheduler, intake, grace_s=grace_s)
        yield Hall(opened, attendance)
        await attendance.close()


async def test_who_waits_gets_the_job_that_has_ended(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall, hall.attend() as attended:
        hall.open()
        job = await attended.wait()
        assert (job.job_id, job.state) == (attended.job.job_id, JobState.SUCCEEDED)


async def test_a_job_whose_caller_went_away_is_cancelled_after_the_grace(tmp_path: Path) -> None:
    async with open_hall(tmp_path, grace_s=SOON_S) as hall:
        job = await hall.break_off()
        await hall.until(job, JobState.CANCELLED)


async def test_a_job_lives_on_for_the_grace(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        job = await hall.break_off()
        await settle()
        hall.open()
        await hall.until(job, JobState.SUCCEEDED)


async def test_a_retry_joins_the_job_and_stops_the_timer(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        first = await hall.break_off()
        (visit,) = hall.attendance._visits.values()
        timer = visit.timer
        assert timer
        again = await hall.media()
        async with hall.attend(again) as attended:
            assert attended.job.job_id == first.job_id
            assert timer.cancelled()
            hall.open()
            assert (await attended.wait()).job_id == first.job_id
        assert not await hall.rig.stores.blobs.exists(again.key)
        assert len(await hall.jobs()) == 1


async def test_callers_at_the_same_time_share_a_job(tmp_path: Path) -> None:
    async with open_hall(tmp_path, grace_s=SOON_S) as hall:

        async def one() -> str:
            async with hall.attend() as attended:
                return (await attended.wait()).job_id

        calls = [asyncio.create_task(one()) for _ in range(4)]
        await eventually(lambda: hall.rig.engine.in_flight > 0)
        calls[0].cancel()  # the one that submitted it: the others wait on
        hall.open()
        job_ids = {await call for call in calls[1:]}
        assert job_ids == {job.job_id for job in await hall.jobs()}
        assert len(job_ids) == 1


@pytest.mark.parametrize(
    "other", [{"tenant": "archive"}, {"language": "de"}, {"media": Media(key="media/1", sha256="c" * 64)}]
)
async def test_who_asks_for_something_else_gets_a_job_of_their_own(tmp_path: Path, other: dict[str, Any]) -> None:
    async with open_hall(tmp_path) as hall:
        first = await hall.break_off()
        assert (await hall.break_off(**other)).job_id != first.job_id


async def test_the_id_of_the_request_makes_no_difference_and_the_dialect_does(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        first = await hall.break_off(origin=Origin("openai", request_id="1"))
        assert (await hall.break_off(origin=Origin("openai", request_id="2"))).job_id == first.job_id
        assert (await hall.break_off(origin=Origin("assemblyai", request_id="1"))).job_id != first.job_id


async def test_an_address_is_joined_by_what_it_names(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        submission = Submission(config=JobConfig())
        origins = [RemoteOrigin(RemoteMedia(uri=f"https://example.org/{name}")) for name in ("a", "a", "b")]

        async def break_off(origin: RemoteOrigin) -> None:
            async with hall.attendance.attend(TENANT, submission, origin) as attended:
                ids.append(attended.job.job_id)
                raise BrokenOff

        ids: list[str] = []
        for origin in origins:
            with pytest.raises(BrokenOff):
                await break_off(origin)
        assert ids[0] == ids[1] != ids[2]


async def test_who_comes_back_after_the_end_gets_the_transcript(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        first = await hall.break_off()
        hall.open()
        await hall.until(first, JobState.SUCCEEDED)
        async with hall.attend() as attended:
            assert (await attended.wait()).job_id == first.job_id


async def test_who_has_the_answer_is_forgotten(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        hall.open()
        for _ in range(2):
            async with hall.attend() as attended:
                await attended.wait()
        assert len(await hall.jobs()) == 2


async def test_a_lasting_failure_is_told_to_who_comes_back(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(error=UnsupportedMedia("it is a picture"))
    async with open_hall(tmp_path, front_end=front_end) as hall:
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="it is a picture") as caught:
                async with hall.attend() as attended:
                    await attended.wait()
            assert caught.value.metadata["reason"] == "UNSUPPORTED_MEDIA"
        assert len(await hall.jobs()) == 1


async def test_a_passing_failure_is_tried_again_by_who_comes_back(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(1), error=DecoderDied("gone fishing"))
    async with open_hall(tmp_path, front_end=front_end, retry=RetryPolicy(attempts=1)) as hall:
        hall.open()
        for _ in range(2):
            with pytest.raises(Unavailable, match="gone fishing"):
                async with hall.attend() as attended:
                    await attended.wait()
        assert len(await hall.jobs()) == 2


async def test_a_job_that_its_owner_cancels_has_no_transcript(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall, hall.attend() as attended:
        await hall.rig.scheduler.cancel(TENANT, attended.job.job_id)
        with pytest.raises(JobFinished, match="CANCELLED"):
            await attended.wait()


async def test_a_refused_submission_leaves_nothing(tmp_path: Path) -> None:
    async with open_hall(tmp_path, max_engines=1) as hall:
        async with hall.attend(await hall.media("d" * 64)) as running:
            await hall.rig.runs(running.job)
            refused = await hall.media()
            with pytest.raises(EnginesExhausted):
                async with hall.attend(refused, fail_fast=True):
                    pass
            assert not await hall.rig.stores.blobs.exists(refused.key)
            hall.open()
            await running.wait()
        async with hall.attend(fail_fast=True) as attended:  # and is not what the next one joins
            assert (await attended.wait()).state is JobState.SUCCEEDED


async def test_who_waits_at_a_node_that_goes_away_is_sent_on_and_the_job_ends(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        jobs: list[Job] = []

        async def call() -> None:
            async with hall.attend() as attended:
                jobs.append(attended.job)
                await attended.wait()

        waiting = asyncio.create_task(call())
        await eventually(lambda: hall.rig.engine.in_flight > 0)
        draining = asyncio.create_task(hall.rig.scheduler.drain(0.0))
        with pytest.raises(Draining):
            await waiting
        await draining
        async with asyncio.timeout(20):
            while (await hall.rig.state(jobs[0])) is not JobState.CANCELLED:
                await settle()
