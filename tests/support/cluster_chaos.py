"""What is done to a cluster under load, and what is measured of it.

Recovered is the cluster once a job has succeeded that had not when the fault came, and none of those that a lost node
ran is held by it any more; whatever is repaired is repaired meanwhile.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tests.support.chaos import Campaign, Outcome
from tests.support.cluster import Cluster
from tests.support.cluster_audit import audit_cluster
from tests.support.load import Load, Material

RECOVERY_S: Final = 90.0
QUIET_S: Final = 600.0  # on a machine that others keep busy, too
BUSY_S: Final = 240.0
_LOOK_S: Final = 0.1
_RUNNING: Final = "SELECT job_id, attempt, node FROM jobs WHERE state = 'RUNNING'"
_SUCCEEDED: Final = "SELECT coalesce(sum(jobs), 0) FROM usage"


@dataclass(frozen=True, slots=True)
class Injected:
    """From when recovery is counted, the node that was lost, and what somebody does about the fault."""

    since_s: float
    lost_node: str = ""
    repair: Callable[[], Awaitable[None]] | None = None


Inject = Callable[[Cluster, random.Random], Awaitable[Injected]]
_Ran = set[tuple[str, ...]]  # a job, its attempt, its node


@dataclass(slots=True)
class ClusterOutcome(Outcome):
    """`refused`: jobs that a node went on with which were not its own any more. `nameless`: see `audit_cluster`."""

    refused: int = 0
    nameless: Sequence[str] = ()


async def run(
    fault: str, inject: Inject, cluster: Cluster, materials: Sequence[Material], campaign: Campaign, *, least: int
) -> ClusterOutcome:
    """Keep the cluster busy, hurt it while at least `least` jobs run, let it become quiet, and look at every job."""
    outcome = ClusterOutcome(fault)
    chance = random.Random(campaign.seed)
    load = Load(cluster.address, materials, clients=campaign.clients, seed=campaign.seed, mix=campaign.mix)
    load.start()
    try:
        while outcome.injected < campaign.times or len(load.accepted) < campaign.jobs:
            await asyncio.sleep(chance.uniform(*campaign.gap_s))
            if outcome.injected == campaign.times:
                continue
            ran = await _until_busy(cluster, least, outcome)
            injected = await inject(cluster, chance)
            outcome.injected += 1
            async with asyncio.TaskGroup() as together:
                recovery = together.create_task(_until_recovered(cluster, ran, injected))
                if injected.repair is not None:
                    together.create_task(_call(injected.repair))
            outcome.recovery_s.append(recovery.result())
        await load.finish(QUIET_S)
    except* TimeoutError:
        outcome.faults.append(f"not quiet: {load.in_flight} jobs in flight after {outcome.injected} faults")
    finally:
        await load.abandon()
    if outcome.faults:
        return outcome  # of jobs that go on nothing can be said
    outcome.faults += load.faults
    outcome.refused = sum(node.refused() for node in cluster.nodes)
    outcome.audit, outcome.nameless = await audit_cluster(cluster, load.accepted.values())
    return outcome


async def _call(repair: Callable[[], Awaitable[None]]) -> None:
    await repair()


async def _until_busy(cluster: Cluster, least: int, outcome: ClusterOutcome) -> _Ran:
    async with asyncio.timeout(BUSY_S):
        while True:
            rows = await cluster.ask(_RUNNING)
            if len(rows) >= least:
                break
            await asyncio.sleep(_LOOK_S)
    outcome.in_flight.append(len(rows))
    return {tuple(row) for row in rows}


async def _until_recovered(cluster: Cluster, ran: _Ran, injected: Injected) -> float:
    """Raises TimeoutError."""
    before: int | None = None
    held = {row for row in ran if row[-1] == injected.lost_node}
    async with asyncio.timeout(RECOVERY_S):
        while True:
            with suppress(AssertionError):  # the database answers nobody
                [[succeeded]] = await cluster.ask(_SUCCEEDED)
                before = int(succeeded) if before is None else before
                held &= {tuple(row) for row in await cluster.ask(_RUNNING)}
                if int(succeeded) > before and not held:
                    return time.monotonic() - injected.since_s
            await asyncio.sleep(_LOOK_S)


# --- the faults -------------------------------------------------------------------------------------------------------


async def nothing(cluster: Cluster, chance: random.Random) -> Injected:
    """To see that the load alone does no harm."""
    del cluster, chance
    return Injected(time.monotonic())


async def lose_node(cluster: Cluster, chance: random.Random) -> Injected:
    """SIGKILL of the busiest, and nothing more: the others have to do."""
    del chance
    ran = Counter(node for *_, node in await cluster.ask(_RUNNING))
    node = max(cluster.nodes, key=lambda one: ran[one.name])
    node.send(signal.SIGKILL)
    killed_s = time.monotonic()
    await node.ended()
    return Injected(killed_s, node.name)


async def kill_node(cluster: Cluster, chance: random.Random) -> Injected:
    """SIGKILL; another process takes its name and place after a while, as a supervisor would see to it."""
    node = chance.choice(cluster.nodes)
    node.send(signal.SIGKILL)
    killed_s = time.monotonic()

    async def repair() -> None:
        await node.ended()
        await asyncio.sleep(chance.uniform(18.0, 22.0))  # longer than its leases: its jobs are taken over meanwhile
        await node.restart()

    return Injected(killed_s, node.name, repair)


def cut_off_node(seconds: float) -> Inject:
    """It hears nobody and nobody hears it, for longer than its leases; it goes on with what it has, and comes back."""

    async def inject(cluster: Cluster, chance: random.Random) -> Injected:
        node = chance.choice(cluster.nodes)
        host = node.host
        assert host is not None
        host.cut_off()
        cut_s = time.monotonic()

        async def repair() -> None:
            try:
                await asyncio.sleep(seconds)
            finally:
                host.join()

        return Injected(cut_s, node.name, repair)

    return inject


async def kill_triton(cluster: Cluster, chance: random.Random) -> Injected:
    """SIGKILL; its own supervisor starts another one."""
    os.kill(chance.choice(cluster.tritons).pid, signal.SIGKILL)
    return Injected(time.monotonic())


async def restart_database(cluster: Cluster, chance: random.Random) -> Injected:
    """A fast shutdown, and a start: every session ends."""
    del chance
    began_s = time.monotonic()
    await asyncio.to_thread(cluster.databases[0].restart)
    return Injected(began_s)


async def fail_over(cluster: Cluster, chance: random.Random) -> Injected:
    """The server that takes writes crashes for good, and its synchronous standby is promoted."""
    del chance
    lost = cluster.databases.pop(0)
    began_s = time.monotonic()
    await asyncio.to_thread(lost.stop, "immediate")
    await asyncio.to_thread(cluster.databases[0].promote)
    return Injected(began_s)


def shut_s3(seconds: float) -> Inject:
    """Every connection to it breaks, and none is made, for so long. Recovery is counted from the end."""

    async def inject(cluster: Cluster, chance: random.Random) -> Injected:
        del chance
        assert cluster.to_s3 is not None
        await cluster.to_s3.refuse()
        await asyncio.sleep(seconds)
        await cluster.to_s3.accept()
        return Injected(time.monotonic())

    return inject
