import asyncio
from pathlib import Path

import pytest

from stenod_server.domain.capacity import Admission
from stenod_server.domain.formatting import Formatting, Replacement
from stenod_server.domain.job import Job, JobConfig, JobState
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import (
    Draining,
    EnginesExhausted,
    EnginesUnsatisfiable,
    EngineUnavailable,
    IdempotencyMismatch,
    InvalidField,
    ModelNotFound,
    QueueFull,
)
from stenod_server.ports import JobFilter
from tests.support.eventually import settle
from tests.unit.scheduler.rig import TENANT, Rig, open_rig


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


async def _outcomes(rig: Rig, *asked: int) -> list[Job | BaseException]:
    """Submits that race: their media is there, so that nothing keeps them apart."""
    media = [await rig.media() for _ in asked]
    calls = (rig.submit(parallel_engines=n, media=m) for n, m in zip(asked, media, strict=True))
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_reject_mode_accepts_what_is_free_and_refuses_the_rest_with_the_numbers(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=5, admission=Admission.REJECT) as rig:
        await rig.submit(parallel_engines=2)
        with pytest.raises(EnginesExhausted) as caught:
            await rig.submit(parallel_engines=4)
        assert str(caught.value) == "Server busy: 4 engines not available (2 engines in use, 5 parallel allowed)"
        await rig.submit(parallel_engines=3)


async def test_more_engines_than_the_node_has_are_refused_in_either_mode(tmp_path: Path) -> None:
    for mode in Admission:
        async with open_rig(tmp_path / mode, engine=_gated(), max_engines=5, admission=mode) as rig:
            await rig.runs(await rig.submit(parallel_engines=2))
            with pytest.raises(EnginesUnsatisfiable) as caught:
                await rig.submit(parallel_engines=8)
            assert str(
                caught.value
            ) == "Server busy: 8 engines not available (2 engines in use, 5 parallel allowed)" or (
                mode is Admission.QUEUE and "(0 engines in use" in str(caught.value)
            )


@pytest.mark.parametrize("asked", [(1, 1), (2, 1, 1, 1), (4, 1, 1), (3, 3, 3)], ids=str)
async def test_racing_submits_cannot_both_have_the_last_engine(tmp_path: Path, asked: tuple[int, ...]) -> None:
    free = max(asked)
    async with open_rig(tmp_path, engine=_gated(), max_engines=free, admission=Admission.REJECT) as rig:
        outcomes = await _outcomes(rig, *asked)
        accepted = [job for job in outcomes if isinstance(job, Job)]
        assert 0 < sum(job.config.parallel_engines for job in accepted) <= free
        assert all(isinstance(outcome, Job | EnginesExhausted) for outcome in outcomes)
        assert len(accepted) < len(asked)
        await rig.runs(*accepted)  # at once: nothing waits in this mode


async def test_a_job_may_be_submitted_as_soon_as_the_last_one_is_seen_to_end(tmp_path: Path) -> None:
    async with open_rig(tmp_path, max_engines=2, admission=Admission.REJECT) as rig:
        media = [await rig.media() for _ in range(20)]
        for each in media:
            job = await rig.submit(parallel_engines=2, media=each)
            await rig.scheduler.wait(TENANT, job.job_id)


async def test_queue_mode_lets_jobs_wait_for_their_engines(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=2) as rig:
        outcomes = await _outcomes(rig, 2, 2, 1)
        assert all(isinstance(outcome, Job) for outcome in outcomes)
        await rig.until(lambda: len(rig.scheduler._dispatcher.running) == 1)
        await settle(100)
        assert len(rig.scheduler._dispatcher.running) == 1
        assert rig.engine.gate
        rig.engine.gate.set()
        for job in outcomes:
            assert isinstance(job, Job)
            assert (await rig.scheduler.wait(TENANT, job.job_id)).state is JobState.SUCCEEDED


async def test_to_fail_fast_does_not_pass_those_who_wait(tmp_path: Path) -> None:
    """One engine is free, but the job in the queue waits for two: the free one is promised to it."""
    async with open_rig(tmp_path, engine=_gated(), max_engines=2) as rig:
        await rig.runs(await rig.submit(parallel_engines=1))
        await rig.submit(parallel_engines=2)
        with pytest.raises(EnginesExhausted) as caught:
            await rig.submit(parallel_engines=1, fail_fast=True)
        assert caught.value.metadata == {"requested": "1", "in_use": "2", "max": "2"}


async def test_to_fail_fast_in_queue_mode_starts_at_once_where_engines_are_free(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=2) as rig:
        await rig.runs(await rig.submit(parallel_engines=2, fail_fast=True))


async def test_the_recogniser_gates_immediate_jobs_only(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.ready = False
    async with open_rig(tmp_path, engine=engine) as rig:
        assert (await rig.submit()).state is JobState.QUEUED
        with pytest.raises(EngineUnavailable):
            await rig.submit(fail_fast=True)
    async with open_rig(tmp_path, engine=engine, admission=Admission.REJECT) as rig:
        with pytest.raises(EngineUnavailable):
            await rig.submit()


async def test_queue_mode_accepts_while_no_recogniser_can_be_asked(tmp_path: Path) -> None:
    engine = FakeEngine()
    await engine.close()
    async with open_rig(tmp_path, engine=engine) as rig:
        assert (await rig.submit(language="xx")).state is JobState.QUEUED


async def test_a_language_or_model_nobody_serves_is_refused(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        for language, model in (("fr", ""), ("auto", "absent"), ("fr", "fake")):
            with pytest.raises(ModelNotFound):
                await rig.submit(language=language, model=model)
        assert (await rig.scheduler.capacity()).reserved_engines == 0


async def test_the_queue_has_an_end(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1, max_queued_jobs=2) as rig:
        await rig.runs(await rig.submit())
        await rig.submit()
        await rig.submit()
        assert not (await rig.scheduler.capacity()).accepting
        with pytest.raises(QueueFull):
            await rig.submit()


async def test_a_repeated_request_gets_its_job(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        media = await rig.media()
        first = await rig.submit(request_id="r1", media=media)
        await rig.scheduler.wait(TENANT, first.job_id)
        again = await rig.submit(request_id="r1", media=media)
        assert (again.job_id, again.state) == (first.job_id, JobState.SUCCEEDED)
        assert (await rig.scheduler.capacity()).reserved_engines == 0
        with pytest.raises(IdempotencyMismatch):
            await rig.submit(request_id="r1", media=media, priority=3)
        with pytest.raises(IdempotencyMismatch):
            await rig.submit(request_id="r1")


async def test_a_repeated_request_gets_its_job_also_when_a_new_one_would_be_refused(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1, admission=Admission.REJECT) as rig:
        media = await rig.media()
        job = await rig.submit(request_id="r1", media=media)
        await rig.runs(job)
        assert (await rig.submit(request_id="r1", media=media)).job_id == job.job_id
        with pytest.raises(EnginesExhausted):
            await rig.submit(request_id="r2")
        assert (await rig.scheduler.capacity()).reserved_engines == 1


async def test_repeats_that_race_make_one_job(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=4, admission=Admission.REJECT) as rig:
        media = await rig.media()
        jobs = await asyncio.gather(*(rig.submit(request_id="r1", media=media) for _ in range(4)))
        assert len({job.job_id for job in jobs}) == 1
        await rig.runs(jobs[0])
        assert (await rig.scheduler.capacity()).reserved_engines == 1


async def test_a_submit_that_is_cancelled_leaves_no_reservation(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False, admission=Admission.REJECT) as rig:
        media = await rig.media()
        for turns in range(12):
            call = asyncio.create_task(rig.submit(media=media))
            await settle(turns)
            call.cancel()
            outcome = (await asyncio.gather(call, return_exceptions=True))[0]
            if isinstance(outcome, Job):
                rig.scheduler._dispatcher.withdraw(outcome.job_id)
        assert rig.scheduler._slots.table.reserved == 0


async def test_check_refuses_what_submit_would_and_stores_nothing(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), max_engines=1, admission=Admission.REJECT) as rig:
        job = await rig.submit()
        with pytest.raises(EnginesExhausted):
            await rig.scheduler.check(job.config)
        assert sum((await rig.stores.jobs.counts()).values()) == 1


async def test_a_draining_node_refuses_jobs(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.scheduler.drain(0.0)
        with pytest.raises(Draining):
            await rig.submit()
        assert not (await rig.scheduler.capacity()).accepting


@pytest.mark.parametrize(
    ("language", "formatting", "says"),
    [
        ("en", Formatting(output_locale="de-CH"), "config.formatting.output_locale: 'de-CH' is no spelling"),
        ("auto", Formatting(output_locale="en-XX"), "config.formatting.output_locale: 'en-XX' is no spelling"),
        (
            "auto",
            Formatting(replacements=(Replacement("a", "b"), Replacement("/(a/", "b"))),
            r"config.formatting.replacements.1: '/\(a/'",
        ),
    ],
)
async def test_a_text_that_cannot_be_written_so_is_refused_at_once(
    tmp_path: Path, language: str, formatting: Formatting, says: str
) -> None:
    async with open_rig(tmp_path) as rig:
        with pytest.raises(InvalidField, match=says):
            await rig.scheduler.check(JobConfig(language=language, formatting=formatting))
        with pytest.raises(InvalidField, match=says):
            await rig.submit(language=language, formatting=formatting)
        assert await rig.scheduler.list(TENANT, JobFilter(), limit=1) == []
