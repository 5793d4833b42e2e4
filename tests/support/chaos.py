"""What is done to a server under load, and what is measured of it: one campaign is one kind of fault, many times.

A fault returns the moment from which recovery is counted: of a kill the kill itself, of a fault that passes its end.
"""

import asyncio
import random
import signal
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

import psutil

from tests.support import rude_clients
from tests.support.audit import Audit, audit
from tests.support.load import Load, Material, Mix
from tests.support.restartable import DOWN, RestartableServer
from tests.support.rude_clients import TOO_MANY
from tests.support.small_disk import full, immutable
from tests.support.tcp_proxy import TcpProxy

RECOVERY_S: Final = 90.0  # longer is not recovered
QUIET_S: Final = 180.0
PROBE_S: Final = 0.02
LOCKED_S: Final = 12.0  # longer than the store waits for a lock


class Subject(Protocol):
    """What a campaign is run on."""

    @property
    def address(self) -> str: ...

    @property
    def data_dir(self) -> Path: ...

    async def windows(self) -> float: ...


S = TypeVar("S", bound=Subject)
Inject = Callable[[S, random.Random], Awaitable[float]]
ServerFault = Inject[RestartableServer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How a fault is injected: so often, each time `gap_s` seconds (drawn) after the server had recovered."""

    times: int
    seed: int
    clients: int = 12
    gap_s: tuple[float, float] = (0.2, 2.0)
    jobs: int = 0  # at least so many are run, whatever the number of faults
    mix: Mix = field(default=Mix())
    address: str = ""  # where the clients call; default: the subject itself


@dataclass(slots=True)
class Outcome:
    """One row of the table."""

    fault: str
    injected: int = 0
    in_flight: list[int] = field(default_factory=list)  # at each injection
    recovery_s: list[float] = field(default_factory=list)
    audit: Audit = field(default_factory=Audit)
    faults: list[str] = field(default_factory=list)  # answers no client should get; exit statuses; what did not end

    @property
    def holds(self) -> bool:
        return not self.audit.problems and not self.faults

    def __str__(self) -> str:
        flights = f"{min(self.in_flight)}-{max(self.in_flight)}" if self.in_flight else "-"
        median = f"{statistics.median(self.recovery_s):8.2f}" if self.recovery_s else "       -"
        worst = f"{max(self.recovery_s):8.2f}" if self.recovery_s else "       -"
        found = self.audit
        return (
            f"{self.fault:46s} {self.injected:4d} {found.accepted:6d} {flights:>9s} {len(found.lost):5d} "
            f"{len(found.doubled):7d} {len(found.left_over):9d} {median} {worst}  {_attempts(found)}"
        )


HEADER: Final = (
    f"{'fault':46s} {'hits':>4s} {'jobs':>6s} {'in flight':>9s} {'lost':>5s} {'doubled':>7s} {'left over':>9s} "
    f"{'median s':>8s} {'max s':>8s}  attempts x jobs"
)


def _attempts(found: Audit) -> str:
    return ", ".join(f"{attempts}x{jobs}" for attempts, jobs in sorted(found.attempts.items()))


async def run(fault: str, inject: Inject[S], subject: S, materials: Sequence[Material], campaign: Campaign) -> Outcome:
    """Keep the subject busy, hurt it, let it become quiet, and look at every job."""
    outcome = Outcome(fault)
    chance = random.Random(campaign.seed)
    address = campaign.address or subject.address
    load = Load(address, materials, clients=campaign.clients, seed=campaign.seed, mix=campaign.mix)
    load.start()
    try:
        await load.until_busy()
        while outcome.injected < campaign.times or len(load.accepted) < campaign.jobs:
            await asyncio.sleep(chance.uniform(*campaign.gap_s))
            if outcome.injected == campaign.times:
                continue
            outcome.in_flight.append(load.in_flight)
            began_s = await inject(subject, chance)
            outcome.injected += 1
            outcome.recovery_s.append(await next_window(subject, since_s=began_s))
        await load.finish(QUIET_S)
    except TimeoutError:
        outcome.faults.append(f"not quiet: {load.in_flight} jobs in flight after {outcome.injected} faults")
    finally:
        await load.abandon()
    outcome.faults += load.faults
    outcome.audit = await audit(subject.address, subject.data_dir, load.accepted.values())
    return outcome


async def next_window(subject: Subject, *, since_s: float) -> float:
    """Seconds from `since_s` until a window is finished that was not when this was called. Raises TimeoutError."""
    seen: float | None = None
    async with asyncio.timeout(RECOVERY_S):
        while True:
            with suppress(*DOWN):
                now = await subject.windows()
                if seen is not None and now > seen:
                    return time.monotonic() - since_s
                seen = now
            await asyncio.sleep(PROBE_S)


# --- processes die ----------------------------------------------------------------------------------------------------


async def kill_server(server: RestartableServer, chance: random.Random) -> float:
    del chance
    server.send(signal.SIGKILL)
    killed_s = time.monotonic()
    await server.ended()
    await server.restart()
    return killed_s


async def kill_triton(server: RestartableServer, chance: random.Random) -> float:
    del chance
    return await _replaced(server, signal.SIGKILL)


async def kill_both(server: RestartableServer, chance: random.Random) -> float:
    tritons = server.tritons()
    if chance.random() < 0.5:
        _send(tritons, signal.SIGKILL)
        server.send(signal.SIGKILL)
    else:
        server.send(signal.SIGKILL)
        _send(tritons, signal.SIGKILL)
    killed_s = time.monotonic()
    await server.ended()
    await server.restart()
    return killed_s


async def kill_stub(server: RestartableServer, chance: random.Random) -> float:
    return await _replaced(server, signal.SIGKILL, chance.choice(server.stubs()))


async def kill_decoder(server: RestartableServer, chance: random.Random) -> float:
    _send([chance.choice(server.decoders())], signal.SIGKILL)
    return time.monotonic()


# --- processes stop ---------------------------------------------------------------------------------------------------


def pause_server(seconds: float) -> ServerFault:
    """SIGSTOP, and SIGCONT after a while."""

    async def inject(server: RestartableServer, chance: random.Random) -> float:
        del chance
        return await _paused([server.process], seconds)

    return inject


def pause_triton(seconds: float) -> ServerFault:
    async def inject(server: RestartableServer, chance: random.Random) -> float:
        del chance
        return await _paused(server.tritons(), seconds)

    return inject


async def stop_triton(server: RestartableServer, chance: random.Random) -> float:
    """SIGSTOP and nothing more: it is for the server to notice."""
    del chance
    return await _replaced(server, signal.SIGSTOP)


# --- the server is asked to go ----------------------------------------------------------------------------------------


async def roll(server: RestartableServer, chance: random.Random) -> float:
    """A rolling restart."""
    del chance
    server.send(signal.SIGTERM)
    asked_s = time.monotonic()
    status = await server.ended()
    assert status == 0, f"a drained server ended with {status}"
    await server.restart()
    return asked_s


async def hurry(server: RestartableServer, chance: random.Random) -> float:
    """SIGTERM twice: the second one is immediate."""
    server.send(signal.SIGTERM)
    await asyncio.sleep(chance.uniform(0.0, 0.3))
    asked_s = time.monotonic()
    if server.running.process.returncode is None:
        server.send(signal.SIGTERM)
    await server.ended()
    await server.restart()
    return asked_s


# --- the store fails --------------------------------------------------------------------------------------------------


async def fill_disk(server: RestartableServer, chance: random.Random) -> float:
    async with full(server.data_dir.parent):
        await asyncio.sleep(chance.uniform(2.0, 5.0))
    return time.monotonic()


def lock_database(seconds: float = LOCKED_S) -> ServerFault:
    """As a backup or a shell would; by default for longer than the store waits."""

    async def inject(server: RestartableServer, chance: random.Random) -> float:
        del chance
        with closing(_connected(server.data_dir / "stenod.db")) as other:
            await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
            await asyncio.sleep(seconds)
            other.execute("ROLLBACK")
        return time.monotonic()

    return inject


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=30.0, check_same_thread=False)


async def freeze_database(server: RestartableServer, chance: random.Random) -> float:
    """The database's files become read-only under the server."""
    files = [path for path in server.data_dir.glob("stenod.db*") if not path.name.endswith("-shm")]
    with immutable(files):
        await asyncio.sleep(chance.uniform(2.0, 4.0))
    return time.monotonic()


# --- the way to the server is bad -------------------------------------------------------------------------------------


def half_open(proxy: TcpProxy) -> ServerFault:
    """Every connection goes quiet in the middle of what it carries, and then turns out to be gone."""

    async def inject(server: RestartableServer, chance: random.Random) -> float:
        del server
        proxy.quiet = True
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        await proxy.cut()
        proxy.quiet = False
        return time.monotonic()

    return inject


async def slow_clients(server: RestartableServer, chance: random.Random) -> float:
    async with rude_clients.slow(server.address, count=40):
        await asyncio.sleep(chance.uniform(3.0, 6.0))
    return time.monotonic()


def flood(count: int) -> ServerFault:
    async def inject(server: RestartableServer, chance: random.Random) -> float:
        async with rude_clients.flood(server.address, count=count, connections=count) as refused:
            await asyncio.sleep(chance.uniform(2.0, 4.0))
            assert refused[TOO_MANY], f"{count} calls at once, and none was refused for being too many: {refused}"
        return time.monotonic()

    return inject


# --- how --------------------------------------------------------------------------------------------------------------


def _send(processes: Sequence[psutil.Process], sign: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(sign)


async def _paused(processes: Sequence[psutil.Process], seconds: float) -> float:
    _send(processes, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    _send(processes, signal.SIGCONT)
    return time.monotonic()


async def _replaced(server: RestartableServer, sign: signal.Signals, victim: psutil.Process | None = None) -> float:
    """Hurt Triton, or one of its stubs, and wait until the server has put another one in its place."""
    olds = server.tritons()
    _send([victim] if victim else olds, sign)
    hurt_s = time.monotonic()
    async with asyncio.timeout(RECOVERY_S):
        while not (now := server.tritons()) or set(now) & set(olds):  # noqa: ASYNC110  a process tells nobody
            await asyncio.sleep(PROBE_S)
    return hurt_s
