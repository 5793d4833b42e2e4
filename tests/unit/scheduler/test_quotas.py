"""What a tenant may use: turns by weight, engines up to its cap, jobs and hours up to its quotas; others are spared."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.capacity import Admission
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.quota import TenantLimits
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import QueueFull, QuotaExceeded
from tests.support.builders import START
from tests.support.eventually import eventually, settle
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.unit.scheduler.rig import Rig, open_rig

CAPPED = {"capped": TenantLimits(max_running_engines=2)}


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


def _open(rig: Rig) -> None:
    assert rig.engine.gate is not None
    rig.engine.gate.set()


async def _submit(rig: Rig, tenant: str, count: int, **config: Any) -> list[Job]:
    return [await rig.submit(tenant=tenant, **config) for _ in range(count)]


async def _ended(rig: Rig, *jobs: Job) -> None:
    for job in jobs:
        assert (await rig.scheduler.wait(job.tenant, job.job_id)).state is JobState.SUCCEEDED


def _running(rig: Rig) -> set[str]:
    return set(rig.scheduler._dispatcher.running)


def _claimed(rig: Rig) -> list[str]:
    return [event.split()[1] for event in rig.seen.events if event.startswith("claimed")]


# --- weight ---------------------------------------------------------------------------------------------------------


async def test_tenants_share_a_busy_node_by_their_weights(tmp_path: Path) -> None:
    tenants = {"gold": TenantLimits(weight=3.0), "tin": TenantLimits(weight=1.0)}
    async with open_rig(tmp_path, engine=_gated(), max_engines=1, tenants=tenants) as rig:
        (first,) = await _submit(rig, "other", 1)  # holds the engine until both have all their jobs in the queue
        await rig.runs(first)
        tin, gold = await _submit(rig, "tin", 16), await _submit(rig, "gold", 16)
        _open(rig)
        await _ended(rig, first, *tin, *gold)
        order = _claimed(rig)[1:]
        names = {job.job_id for job in gold}
        for rounds in (1, 2, 3, 4):  # at no time has either had more than its share
            assert sum(job_id in names for job_id in order[: 4 * rounds]) == 3 * rounds
        assert len(order) == 32


# --- engines --------------------------------------------------------------------------------------------------------


async def test_a_capped_tenant_stays_within_its_cap_over_all_its_jobs_and_idles_nobody(tmp_path: Path) -> None:
    front_end = ScriptedFrontEnd(make_windows(12))
    async with open_rig(tmp_path, engine=_gated(), front_end=front_end, tenants=CAPPED, max_overtakes=0) as rig:
        capped = await _submit(rig, "capped", 4)
        table = rig.scheduler._slots.table
        await eventually(lambda: rig.engine.in_flight == 2)
        await settle()
        assert _running(rig) == {job.job_id for job in capped[:2]}
        assert (table.in_use, table.reserved) == (2, 2)
        free = await _submit(rig, "free", 1)  # later, and passes them all without overtaking any
        await eventually(lambda: rig.engine.in_flight == 4)
        assert _running(rig) == {job.job_id for job in (*capped[:2], *free)}
        assert sum(table.holdings[job.job_id].in_flight for job in capped[:2]) == 2
        assert table.holdings[free[0].job_id].in_flight == 2
        _open(rig)
        await _ended(rig, *capped, *free)


async def test_a_job_that_asks_for_more_than_its_tenants_cap_runs_alone(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), tenants=CAPPED) as rig:
        large, small = await _submit(rig, "capped", 1, parallel_engines=3), await _submit(rig, "capped", 1)
        await rig.runs(*large)
        await settle()
        assert _running(rig) == {large[0].job_id}
        _open(rig)
        await _ended(rig, *large, *small)


async def test_a_capped_tenants_backlog_holds_no_engine_back_from_who_cannot_wait(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), tenants=CAPPED) as rig:
        capped = await _submit(rig, "capped", 9)
        await rig.runs(*capped[:2])
        (urgent,) = [await rig.submit(tenant="free", fail_fast=True, parallel_engines=2)]
        await rig.runs(urgent)
        _open(rig)
        await _ended(rig, urgent, *capped)


async def test_reject_mode_refuses_what_is_beyond_the_cap_and_no_others(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_gated(), tenants=CAPPED, admission=Admission.REJECT) as rig:
        jobs = await _submit(rig, "capped", 2)
        with pytest.raises(QuotaExceeded) as refusal:
            await rig.submit(tenant="capped")
        assert (refusal.value.quota, refusal.value.metadata["allowed"]) == ("max_running_engines", "2")
        assert rig.scheduler._slots.table.reserved == 2
        jobs += await _submit(rig, "free", 2)
        _open(rig)
        await _ended(rig, *jobs)


# --- jobs and hours -------------------------------------------------------------------------------------------------


async def test_a_tenants_full_queue_refuses_it_alone(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False, tenants={"a": TenantLimits(max_queued_jobs=2)}) as rig:
        calls = (rig.submit(tenant="a") for _ in range(20))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(result, Job) for result in results) == 2
        assert rig.seen.events.count("over max_queued_jobs") == 18
        await _submit(rig, "b", 5)


async def test_quotas_of_tenants_that_are_not_named_are_the_defaults(tmp_path: Path) -> None:
    defaults = TenantLimits(max_queued_jobs=1)
    async with open_rig(tmp_path, start=False, tenants={"a": TenantLimits()}, tenant_defaults=defaults) as rig:
        await _submit(rig, "a", 3)
        await _submit(rig, "b", 1)
        with pytest.raises(QuotaExceeded):
            await rig.submit(tenant="b")


async def test_the_nodes_full_queue_is_no_quota(tmp_path: Path) -> None:
    async with open_rig(tmp_path, start=False, max_queued_jobs=1) as rig:
        await rig.submit()
        with pytest.raises(QueueFull):
            await rig.submit()
        assert not [event for event in rig.seen.events if event.startswith("over")]


async def test_hours_that_are_used_up_refuse_new_jobs_and_not_those_that_are_accepted(tmp_path: Path) -> None:
    # A recording has 6 s; after the second one 12 s of 10.8 s are used.
    tenants = {"a": TenantLimits(audio_hours_per_day=0.003)}
    async with open_rig(tmp_path, engine=_gated(), max_engines=1, tenants=tenants) as rig:
        jobs = await _submit(rig, "a", 4, user_id="alice")
        _open(rig)
        await _ended(rig, *jobs)
        with pytest.raises(QuotaExceeded) as refusal:
            await rig.submit(tenant="a", user_id="bob")
        assert refusal.value.quota == "audio_hours_per_day"
        tomorrow = (START + timedelta(days=1)).replace(hour=0, minute=0, second=0)
        assert refusal.value.retry_after_s == (tomorrow - rig.clock.now()).total_seconds()
        assert rig.seen.events[-1] == "over audio_hours_per_day"
        await _ended(rig, await rig.submit(tenant="b"))
        rig.clock.advance(refusal.value.retry_after_s)
        await _ended(rig, await rig.submit(tenant="a"))
