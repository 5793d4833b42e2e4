"""Several nodes and one store: a job runs wherever there is room, and whoever is asked answers for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.capacity import Admission
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.quota import TenantLimits
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import EnginesExhausted, EnginesUnsatisfiable
from stenod_server.ports.cluster import Signals
from stenod_server.scheduler.options import Cluster
from tests.support.eventually import eventually
from tests.unit.scheduler.rig import TENANT, Rig, open_rig
from tests.unit.scheduler.test_cluster_machine import Deaf

FAST: dict[str, Any] = {"beat_s": 0.05}


def _gated() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


@asynccontextmanager
async def _nodes(directory: Path, *engines: int, signals: Signals | None = None, **options: Any) -> AsyncIterator[Any]:
    """Nodes `a`, `b`, … with so many engines each, whose recognisers wait; 0: it only answers."""
    async with AsyncExitStack() as stack:
        first: Rig | None = None
        rigs: list[Rig] = []
        for name, count in zip("abcdef", engines, strict=False):
            rig = await stack.enter_async_context(
                open_rig(
                    directory,
                    stores=first.stores if first else None,
                    engine=_gated(),
                    cluster=lambda stores: Cluster(
                        claims=stores.jobs, nodes=stores.nodes, signals=signals or stores.signals
                    ),
                    node=name,
                    max_engines=count,
                    **{**FAST, **options},
                )
            )
            first = first or rig
            rigs.append(rig)
        for rig in rigs:
            await eventually(lambda rig=rig: len(rig.scheduler._membership.nodes.known) == len(rigs))  # type: ignore[misc]
        yield rigs


def _go_on(*rigs: Rig) -> None:
    for rig in rigs:
        assert rig.engine.gate
        rig.engine.gate.set()


@pytest.mark.parametrize("signals", [None, Deaf()], ids=["signals", "none heard"])
async def test_a_job_runs_on_another_node_and_is_watched_and_cancelled_from_here(
    tmp_path: Path, signals: Signals | None
) -> None:
    async with _nodes(tmp_path, 0, 2, signals=signals) as (front, worker):
        job, other = await front.submit(), await front.submit()
        await worker.runs(job, other)
        assert (await front.scheduler.get(TENANT, job.job_id)).node == "b"
        watch = front.scheduler.watches.watch(TENANT, other.job_id)
        await front.scheduler.cancel(TENANT, job.job_id)
        if signals is not None:
            await worker.scheduler._dispatcher._leases.beat()
        assert (await front.scheduler.wait(TENANT, job.job_id)).state is JobState.CANCELLED
        _go_on(worker)
        seen = [update async for update in watch]
        assert seen[-1].job.state is JobState.SUCCEEDED
        assert sum(len(update.segments) for update in seen) > 0


async def test_free_nodes_share_the_work(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 1, 1, 1) as rigs:
        jobs = [await rigs[0].submit() for _ in range(3)]
        await eventually(lambda: all(len(rig.scheduler._dispatcher.running) == 1 for rig in rigs))
        _go_on(*rigs)
        for job in jobs:
            assert (await rigs[1].scheduler.wait(TENANT, job.job_id)).state is JobState.SUCCEEDED


async def test_a_tenants_engines_are_counted_over_all_nodes(tmp_path: Path) -> None:
    limits = TenantLimits(max_running_engines=3)
    async with _nodes(tmp_path, 2, 2, tenant_defaults=limits) as (a, b):
        jobs = [await a.submit() for _ in range(5)]
        await eventually(lambda: len(a.scheduler._dispatcher.running) + len(b.scheduler._dispatcher.running) == 3)
        for rig in (a, b):
            rig.scheduler._dispatcher.wake()
        await asyncio.sleep(0.1)
        assert (await a.scheduler.capacity()).unused_engines == 1
        assert a.engine.in_flight + b.engine.in_flight <= 3  # nothing is lent to it either
        _go_on(a, b)
        for job in jobs:
            await b.scheduler.wait(TENANT, job.job_id)


async def test_the_last_engine_of_the_cluster_is_had_by_one(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 0, 0, 1, 1, admission=Admission.REJECT) as (front, other, *workers):
        media = [await front.media() for _ in range(6)]
        calls = (rig.submit(media=each) for rig, each in zip((front, other) * 3, media, strict=True))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        accepted = [job for job in outcomes if isinstance(job, Job)]
        assert len(accepted) == 2
        assert sum(isinstance(outcome, EnginesExhausted) for outcome in outcomes) == 4
        await eventually(lambda: all(len(rig.scheduler._dispatcher.running) == 1 for rig in workers))
        assert not (await front.scheduler.capacity()).accepting
        with pytest.raises(EnginesExhausted):
            await front.scheduler.check(accepted[0].config)


async def test_more_engines_than_any_node_has_are_refused_but_not_while_nobody_knows(tmp_path: Path) -> None:
    async with _nodes(tmp_path / "one", 0, 2, 3) as (front, *_):
        await front.submit(parallel_engines=3)
        with pytest.raises(EnginesUnsatisfiable, match="3 parallel allowed"):
            await front.submit(parallel_engines=4)
    async with _nodes(tmp_path / "other", 0) as (front,):
        assert (await front.submit(parallel_engines=4)).state is JobState.QUEUED


async def test_capacity_is_that_of_all_nodes(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 0, 2, 3) as (front, b, c):
        jobs = [await front.submit(parallel_engines=2), await front.submit(parallel_engines=2)]
        await eventually(lambda: len(b.scheduler._dispatcher.running) + len(c.scheduler._dispatcher.running) == 2)
        now = await front.scheduler.capacity()
        assert (now.max_engines, now.unused_engines, now.queued_jobs) == (5, 1, 0)
        assert {job.job_id for job in now.active_jobs} == {job.job_id for job in jobs}
        assert [(node.node, node.max_engines, node.unused_engines) for node in now.nodes] == [
            ("a", 0, 0),
            ("b", 2, 0),
            ("c", 3, 1),
        ]
        own = await b.scheduler.own_capacity()
        assert (own.max_engines, own.unused_engines, len(own.active_jobs)) == (2, 0, 1)


async def test_a_node_that_drains_is_counted_on_no_more_and_gone_when_it_is_gone(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 0, 2, 2) as (front, b, _c):
        draining = asyncio.create_task(b.scheduler.drain(0.0))
        await draining
        known = front.scheduler._membership.nodes
        await eventually(lambda: [node.node for node in known.known] == ["a", "c"])
        assert (await front.scheduler.capacity()).max_engines == 2


async def test_a_node_that_is_killed_is_forgotten_and_its_jobs_run_elsewhere(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 0, 1, 1) as (front, b, c):
        job = await front.submit()
        await eventually(lambda: bool(b.scheduler._dispatcher.running or c.scheduler._dispatcher.running))
        dead, left = (b, c) if b.scheduler._dispatcher.running else (c, b)
        dispatcher, membership = dead.scheduler._dispatcher, dead.scheduler._membership
        for task in (dispatcher._loop_task, dispatcher._leases_task, membership._beating):
            task.cancel()
        membership._hang_up()
        for rig in (front, left):
            rig.clock.advance(3600)
        _go_on(left)
        await front.scheduler._dispatcher._leases.beat()  # whoever it is
        done = await front.scheduler.wait(TENANT, job.job_id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)
        assert done.node == left.scheduler._options.node
        await eventually(lambda: len(front.scheduler._membership.nodes.known) == 2)


async def test_a_job_that_somebody_waits_for_is_interactive_on_every_node(tmp_path: Path) -> None:
    async with _nodes(tmp_path, 0, 1) as (front, worker):
        job = await front.submit(interactive=True)
        _go_on(worker)
        await front.scheduler.wait(TENANT, job.job_id)
        assert {request.interactive for request in worker.engine.requests} == {True}
