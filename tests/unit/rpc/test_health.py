"""What the probes are told, in virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from stenod_server.domain.health import NodeHealth, Stall
from stenod_server.errors import StoreUnavailable
from stenod_server.rpc.health import CAPACITY_NAME, LIVENESS_NAME, READINESS_NAMES, HealthReporter
from tests.unit.scheduler.virtual_time import run_in_virtual_time

WELL = NodeHealth(ready=True, accepting=True, alive=True)


async def _told(reporter: HealthReporter) -> NodeHealth:
    async def serves(name: str) -> bool:
        answer = await reporter.servicer.Check(health_pb2.HealthCheckRequest(service=name), None)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    ready = {await serves(name) for name in READINESS_NAMES}
    assert len(ready) == 1  # its three names mean the same
    return NodeHealth(ready=ready.pop(), accepting=await serves(CAPACITY_NAME), alive=await serves(LIVENESS_NAME))


async def _well() -> NodeHealth:
    return WELL


async def _store_away() -> NodeHealth:
    raise StoreUnavailable("no database")


async def _store_stuck() -> NodeHealth:
    await asyncio.Event().wait()
    raise AssertionError


def _after(probe: Any) -> NodeHealth:
    async def main() -> NodeHealth:
        reporter = HealthReporter()
        reporter.follow(_well)
        await reporter.refresh()
        reporter.follow(probe)
        await reporter.refresh()
        return await _told(reporter)

    return run_in_virtual_time(main())


def _new() -> Coroutine[Any, Any, NodeHealth]:
    async def main() -> NodeHealth:
        reporter = HealthReporter()
        await reporter.refresh()
        return await _told(reporter)

    return main()


def test_a_node_that_still_starts_is_alive_and_not_ready() -> None:
    assert run_in_virtual_time(_new()) == NodeHealth(ready=False, accepting=False, alive=True)


@pytest.mark.parametrize("probe", [_store_away, _store_stuck])
def test_a_node_without_its_store_is_not_ready_and_not_to_be_restarted(probe: Any) -> None:
    assert _after(probe) == NodeHealth(ready=False, accepting=False, alive=True)


def test_each_answer_is_told_under_its_name() -> None:
    for health in (
        NodeHealth(ready=True, accepting=False, alive=True),
        NodeHealth(ready=False, accepting=False, alive=True),
        NodeHealth(ready=True, accepting=True, alive=False),
    ):

        async def probe(health: NodeHealth = health) -> NodeHealth:
            return health

        assert _after(probe) == health


def test_work_that_hangs_although_its_recogniser_is_there_is_a_stall() -> None:
    stall = Stall()
    assert [stall.lasting_s(silent_s, excused=False, now_s=1000 + silent_s) for silent_s in (0, 30, 90)] == [0, 30, 90]


def test_work_that_waits_for_its_recogniser_is_none_and_gets_its_time_afterwards() -> None:
    stall = Stall()
    assert stall.lasting_s(200.0, excused=True, now_s=1200.0) == 0.0
    assert stall.lasting_s(220.0, excused=False, now_s=1220.0) == 20.0
    assert stall.lasting_s(300.0, excused=False, now_s=1300.0) == 100.0
    assert stall.lasting_s(5.0, excused=False, now_s=1305.0) == 5.0  # something was finished
