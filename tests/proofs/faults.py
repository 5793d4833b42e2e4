"""Proof: an accepted job is a promise, whatever breaks.

    python -m tests.proofs.faults [--seed N] [--jobs N] [--only WORDS] [--verbose]

Real servers with the real model, under a load of short and long recordings that come with the request, by upload and by
address, some of them cancelled or deleted on the way. Each kind of fault is injected several times at random moments
into a server of its own; then every job that was accepted is looked at: it must have ended once, with the transcript,
word for word, that an undisturbed server gives, and be counted once; no segment, row, file or engine may be left over.
Recovery is the time until the next window is finished. Exit status 1 when anything is lost, doubled or left over.

The clock of the machine is not touched: "the clock jumps" is a whole node in this process whose clock is a double.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from stenod_server.app.clock import SystemClock
from stenod_server.app.node import Node, Parts, open_node
from stenod_server.settings import load
from stenod_server.telemetry import logs
from tests.support import chaos
from tests.support.chaos import HEADER, Campaign, Outcome, ServerFault
from tests.support.load import Material, mixed_recordings, undisturbed
from tests.support.models import build_models
from tests.support.restartable import RestartableServer, scrape
from tests.support.small_disk import NotPermitted, small_disk
from tests.support.tcp_proxy import TcpProxy

MIB: Final = 1024 * 1024
LEASE_S: Final = 2.0
# A job that is there whenever a server dies, before it gets anywhere, would be taken for the cause: max_rescues.
OPTIONS: Final = (
    f"--lease-s={LEASE_S}",
    "--drain-s=2",
    "--max-rescues=50",
    "--min-free-bytes=0",
    "--max-calls=200",
)
DISK_BYTES: Final = 192 * MIB
JUMP_S: Final = 3000.0  # forth and back; less than an upload lives


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table. `small`: on a file system that can be filled."""

    name: str
    times: int
    inject: ServerFault
    small: bool = False


FAULTS: Final = (
    Fault("kill -9 of the server", 5, chaos.kill_server),
    Fault("kill -9 of Triton", 5, chaos.kill_triton),
    Fault("kill -9 of the server and Triton", 5, chaos.kill_both),
    Fault("kill -9 of a model's process in Triton", 3, chaos.kill_stub),
    Fault("kill -9 of a decoder", 5, chaos.kill_decoder),
    Fault("SIGTERM and restart", 4, chaos.roll),
    Fault("SIGTERM twice and restart", 4, chaos.hurry),
    Fault("SIGSTOP of the server, longer than its lease", 3, chaos.pause_server(2.5 * LEASE_S)),
    Fault("SIGSTOP of Triton for 3 s", 3, chaos.pause_triton(3.0)),
    Fault("SIGSTOP of Triton for ever", 2, chaos.stop_triton),
    Fault("disk full for 2 to 5 s", 3, chaos.fill_disk, small=True),
    Fault("database locked for 12 s", 1, chaos.lock_database()),
    Fault("database locked for 3 s", 2, chaos.lock_database(3.0)),
    Fault("database read-only for 2 to 4 s", 3, chaos.freeze_database),
    Fault("160 slow and half-open clients", 2, chaos.slow_clients),
    Fault("a flood of 600 calls and connections", 3, chaos.flood(600)),
)
HALF_OPEN: Final = "all connections go quiet and break"
JUMPS: Final = "the clock jumps by up to 50 min (in process)"
HALF_OPEN_TIMES: Final = 4
JUMP_TIMES: Final = 6


@dataclass(frozen=True, slots=True)
class Stage:
    """What every campaign needs."""

    directory: Path
    models_dir: Path
    media_dir: Path
    log: Path
    campaign: Campaign
    materials: Sequence[Material] = ()

    def server(self, data_dir: Path) -> RestartableServer:
        options = (*OPTIONS, f"--fetch-file-roots={self.media_dir}")
        return RestartableServer(data_dir, *options, models_dir=self.models_dir, log=self.log)


async def inject(fault: Fault, stage: Stage) -> Outcome:
    async with AsyncExitStack() as stack:
        directory = stage.directory / "faulty"
        if fault.small:
            stack.enter_context(small_disk(directory, DISK_BYTES))
        server = await stack.enter_async_context(_started(stage.server(directory / "node")))
        campaign = replace(stage.campaign, times=fault.times)
        return await chaos.run(fault.name, fault.inject, server, stage.materials, campaign)


async def break_connections(stage: Stage) -> Outcome:
    async with _started(stage.server(stage.directory / "node")) as server, TcpProxy(server.address) as proxy:
        campaign = replace(stage.campaign, times=HALF_OPEN_TIMES, address=proxy.url)
        return await chaos.run(HALF_OPEN, chaos.half_open(proxy), server, stage.materials, campaign)


class JumpingClock(SystemClock):
    """The machine's, and a difference that changes. What is measured in seconds does not jump."""

    def __init__(self) -> None:
        self.off = timedelta()

    def now(self) -> datetime:
        return super().now() + self.off


@dataclass(frozen=True, slots=True)
class NodeInProcess:
    """A node with a clock that can be set."""

    node: Node
    data_dir: Path
    clock: JumpingClock

    @property
    def address(self) -> str:
        return self.node.address

    async def windows(self) -> float:
        return (await asyncio.to_thread(scrape, self.node.metrics_address))["stenod_windows_total"]

    async def jump(self, chance: random.Random) -> float:
        self.clock.off = timedelta(seconds=chance.uniform(-JUMP_S, JUMP_S))
        return time.monotonic()


async def jump(stage: Stage) -> Outcome:
    settings = load(
        data_dir=stage.directory / "node",
        models_dir=stage.models_dir,
        listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
        lease_s=LEASE_S,
        fetch_file_roots=(stage.media_dir,),
    )
    clock = JumpingClock()
    async with open_node(settings, parts=Parts(clock=clock)) as node:
        subject = NodeInProcess(node, settings.data_path, clock)
        campaign = replace(stage.campaign, times=JUMP_TIMES)
        return await chaos.run(JUMPS, NodeInProcess.jump, subject, stage.materials, campaign)


@asynccontextmanager
async def _started(server: RestartableServer) -> AsyncIterator[RestartableServer]:
    try:
        await server.start()
        yield server
    finally:
        await server.close()


Row = Callable[[Stage], Awaitable[Outcome]]


async def prove(stage: Stage, chosen: Callable[[str], bool], *, verbose: bool) -> list[Outcome]:
    async with _started(stage.server(stage.directory / "undisturbed")) as server:
        materials = await undisturbed(server.address, mixed_recordings(stage.media_dir, stage.models_dir))
    stage = replace(stage, materials=materials)
    rows: list[tuple[str, Row]] = [(fault.name, partial(inject, fault)) for fault in FAULTS]
    rows += [(HALF_OPEN, break_connections), (JUMPS, jump)]
    outcomes = []
    print(HEADER, flush=True)
    for name, row in rows:
        if not chosen(name):
            continue
        with tempfile.TemporaryDirectory(dir=stage.directory) as directory:
            try:
                outcome = await row(replace(stage, directory=Path(directory)))
            except NotPermitted as reason:
                print(f"{name:46s} not run: {reason}", flush=True)
                continue
        outcomes.append(outcome)
        print(outcome, flush=True)
        for problem in [*outcome.faults, *outcome.audit.problems][: None if verbose else 5]:
            print(f"    {problem}", flush=True)
    return outcomes


def total(outcomes: Sequence[Outcome]) -> str:
    injected, accepted = sum(one.injected for one in outcomes), sum(one.audit.accepted for one in outcomes)
    lost, doubled = sum(len(one.audit.lost) for one in outcomes), sum(len(one.audit.doubled) for one in outcomes)
    left_over, broken = sum(len(one.audit.left_over) for one in outcomes), sum(len(one.faults) for one in outcomes)
    flights = sum(sum(one.in_flight) for one in outcomes)
    return (
        f"{injected} faults with {flights} jobs in flight, {accepted} jobs accepted: {lost} lost, {doubled} doubled, "
        f"{left_over} things left over, {broken} other problems"
    )


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--jobs", type=int, default=300, help="at least so many in all, shared between the faults")
    parser.add_argument("--only", default="", help="the faults whose names contain this")
    parser.add_argument("--log", type=Path, help="where the servers write; default: nowhere that is kept")
    parser.add_argument("--verbose", action="store_true", help="every problem, not the first five of a fault")
    arguments = parser.parse_args()
    logs.configure("error")  # of the node in this process
    logging.getLogger(logs.AUDIT).disabled = True
    began_s = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "media").mkdir()
        each = -(-arguments.jobs // (len(FAULTS) + 2))
        stage = Stage(
            directory=directory,
            models_dir=build_models(),
            media_dir=directory / "media",
            log=arguments.log or directory / "server.log",
            campaign=Campaign(times=0, seed=arguments.seed, jobs=each),
        )
        outcomes = await prove(stage, lambda fault: arguments.only in fault, verbose=arguments.verbose)
    print(f"{total(outcomes)}; {time.monotonic() - began_s:.0f} s")
    return 0 if outcomes and all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
