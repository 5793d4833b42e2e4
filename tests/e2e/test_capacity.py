"""Capacity in action, through the real API, with a recogniser that waits until it is told: `--parallel 4`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod import errors
from stenod.results import JobState
from stenod.v1 import job_pb2
from stenod_server.app.node import Node
from stenod_server.engine.fake import FakeEngine
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node

WINDOWS = 40


class Stepper:
    """Lets the windows in flight finish, one batch of them at a time."""

    def __init__(self, engine: FakeEngine, front_end: ScriptedFrontEnd) -> None:
        self.engine = engine
        self.front_end = front_end
        self.gate = engine.gate = asyncio.Event()

    async def step(self) -> None:
        finished, expected = self.gate, self.engine.completed + self.engine.in_flight
        self.gate = self.engine.gate = asyncio.Event()
        finished.set()
        await eventually(lambda: self.engine.completed >= expected)

    def let_go(self) -> None:
        self.engine.gate = None
        self.gate.set()


@asynccontextmanager
async def _node(directory: Path, **settings: Any) -> AsyncIterator[tuple[Node, stenod.Client, Stepper]]:
    engine = FakeEngine()
    front_end = ScriptedFrontEnd(make_windows(WINDOWS))
    stepper = Stepper(engine, front_end)
    async with (
        fake_node(directory, engine, front_end, parallel=4, **settings) as node,
        stenod.Client(node.address) as client,
    ):
        try:
            yield node, client, stepper
        finally:
            stepper.let_go()


def _engines(reserved: int, most: int | None = None, *, fail_fast: bool = False) -> job_pb2.JobConfig:
    scheduling = job_pb2.SchedulingConfig(parallel_engines=reserved, max_parallel_engines=most, fail_fast=fail_fast)
    return job_pb2.JobConfig(scheduling=scheduling)


async def _in_flight(stepper: Stepper, count: int) -> None:
    await eventually(lambda: stepper.engine.in_flight == count)


async def test_reject_mode_refuses_with_the_exact_numbers(tmp_path: Path) -> None:
    async with _node(tmp_path, admission="reject") as (_, client, stepper):
        first = await client.submit(b"first", config=_engines(3))
        await _in_flight(stepper, 4)  # three reserved, one lent
        capacity = await client.capacity()
        assert (capacity.max_engines, capacity.unused_engines, capacity.elastic_engines) == (4, 1, 1)
        active = capacity.proto.active_jobs[0]
        assert (active.job_id, active.reserved_engines, active.elastic_engines) == (first.job_id, 3, 1)
        with pytest.raises(errors.Busy) as refused:
            await client.submit(b"second", config=_engines(2))
        assert refused.value.reason == "ENGINES_EXHAUSTED"
        assert refused.value.metadata == {"requested": "2", "in_use": "3", "max": "4"}
        assert refused.value.message == "Server busy: 2 engines not available (3 engines in use, 4 parallel allowed)"
        assert refused.value.retry_after_s
        third = await client.submit(b"third", config=_engines(1))  # what is free is given
        stepper.let_go()
        await client.wait(first.job_id)
        await client.wait(third.job_id)


async def test_more_engines_than_there_are_can_never_run(tmp_path: Path) -> None:
    async with _node(tmp_path) as (_, client, _stepper):
        with pytest.raises(errors.InvalidRequest) as refused:
            await client.submit(b"recording", config=_engines(5))
        assert refused.value.reason == "ENGINES_UNSATISFIABLE"
        assert refused.value.metadata == {"requested": "5", "in_use": "0", "max": "4"}


async def test_queue_mode_keeps_the_job_and_runs_it_in_order(tmp_path: Path) -> None:
    async with _node(tmp_path) as (_, client, stepper):
        first = await client.submit(b"first", config=_engines(3))
        await _in_flight(stepper, 4)
        second = await client.submit(b"second", config=_engines(2))
        third = await client.submit(b"third", config=_engines(4))
        assert second.state is JobState.QUEUED
        capacity = await client.capacity()
        assert capacity.proto.queued_job_count == 2
        with pytest.raises(errors.Busy):
            await client.submit(b"impatient", config=_engines(2, fail_fast=True))
        stepper.let_go()
        ended = [await client.wait(job.job_id) for job in (first, second, third)]
        starts = [job.start_time for job in ended if job.start_time]
        assert len(starts) == 3
        assert starts == sorted(starts)


async def test_lent_engines_come_back_within_one_window(tmp_path: Path) -> None:
    async with _node(tmp_path) as (_, client, stepper):
        lender = await client.submit(b"long", config=_engines(1))
        await _in_flight(stepper, 4)
        taken = stepper.front_end.taken
        newcomer = await client.submit(b"new", config=_engines(3))
        await eventually(lambda: stepper.front_end.taken > taken)  # it runs, has a window and waits for an engine
        held = await _held(client)
        assert held[lender.job_id] == (1, 3)
        await stepper.step()  # one window of each engine, no more
        await _in_flight(stepper, 4)
        held = await _held(client)
        assert held == {lender.job_id: (1, 0), newcomer.job_id: (3, 0)}
        stepper.let_go()
        await client.wait(newcomer.job_id)
        await client.wait(lender.job_id)


async def test_elastic_off_and_the_jobs_own_cap_hold(tmp_path: Path) -> None:
    async with _node(tmp_path / "off", elastic="off") as (_, client, stepper):
        job = await client.submit(b"recording", config=_engines(2))
        await _in_flight(stepper, 2)
        for _ in range(3):
            await stepper.step()
            await _in_flight(stepper, 2)
        assert stepper.engine.max_in_flight == 2
        stepper.let_go()
        await client.wait(job.job_id)
    async with _node(tmp_path / "capped") as (_, client, stepper):
        job = await client.submit(b"recording", config=_engines(1, most=3))
        await _in_flight(stepper, 3)
        stepper.let_go()
        await client.wait(job.job_id)
        assert stepper.engine.max_in_flight == 3


async def test_cancel_takes_effect_within_one_window(tmp_path: Path) -> None:
    async with _node(tmp_path) as (_, client, stepper):
        job = await client.submit(b"recording")
        await _in_flight(stepper, 4)
        await client.cancel(job.job_id)
        with pytest.raises(errors.JobFailed) as ended:
            await client.wait(job.job_id)  # while the gate is still shut: the windows in flight were cancelled
        assert ended.value.job.state is JobState.CANCELLED
        await eventually(lambda: stepper.engine.in_flight == 0)
        assert stepper.engine.completed == 0
        capacity = await client.capacity()
        assert capacity.unused_engines == 4


async def test_watch_capacity_tells_of_a_job_that_comes_and_goes(tmp_path: Path) -> None:
    async with _node(tmp_path) as (_, client, stepper):
        watch = client.watch_capacity()
        assert (await anext(watch)).unused_engines == 4
        job = await client.submit(b"recording", config=_engines(3))
        while (await anext(watch)).unused_engines != 1:
            pass
        stepper.let_go()
        await client.wait(job.job_id)
        while (await anext(watch)).unused_engines != 4:
            pass
        await watch.aclose()


async def _held(client: stenod.Client) -> dict[str, tuple[int, int]]:
    capacity = await client.capacity()
    return {job.job_id: (job.reserved_engines, job.elastic_engines) for job in capacity.proto.active_jobs}
