"""`python -m bench.store`: what a store sustains, SQLite in a file and PostgreSQL over TCP, both syncing to this disk.

Claimers are processes of their own, as nodes are. Every job is claimed exactly once, or the run fails.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from bench.machine import Machine
from bench.results import percentile
from bench.table import aligned
from stenod_server.domain.job import Job, Progress
from stenod_server.domain.quota import NO_LIMITS
from stenod_server.ports.cluster import ClaimRequest
from stenod_server.store import runs
from stenod_server.store.open import Shared, Stores, open_store
from tests.support.builders import make_info, make_job, make_segment
from tests.support.postgres import postgres_server

NOW: Final = datetime(2030, 6, 1, tzinfo=UTC)
LEASE: Final = timedelta(hours=1)
ROOM: Final = 1_000_000
CONCURRENCIES: Final = (1, 32)
CLAIMERS: Final = (1, 2, 4)
BATCH: Final = 16  # engines that came free together
REPORTED: Final = 32  # running jobs whose progress is stored together
SEGMENTS: Final = 20
ASKED: Final = ClaimRequest(
    node="",
    free_engines=1,
    max_engines=ROOM,
    largest_engines=ROOM,
    models=("fake",),
    busy_with=(),
    can_run=lambda _config: True,
    limits_of=lambda _tenant: NO_LIMITS,
    max_overtakes=20,
    now=NOW,
    lease_until=NOW + LEASE,
    limit=1,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is: a directory, and a database where there is one."""

    name: str
    directory: Path
    database_url: str = ""

    async def open(self) -> Stores:
        return await open_store(self.directory, shared=Shared(database_url=self.database_url))


@dataclass(slots=True)
class Figures:
    """Of one store: a label and its figure, in the order in which they were measured."""

    values: dict[str, str] = field(default_factory=dict)

    def note(self, label: str, value: float, unit: str) -> None:
        self.values[label] = f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"
        print(f"    {label}: {self.values[label]}", file=sys.stderr)


def main() -> int:
    options = _parser().parse_args()
    if options.claim_as:
        place = Place("", options.directory, options.database_url)
        return asyncio.run(_claim(place, options.claim_as, options.at_once))
    print(Machine.here())
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stenod-bench-", dir=Path.cwd())))
        places = [Place("SQLite", directory / "sqlite")]
        server = stack.enter_context(postgres_server(tcp=True, durable=True))
        places.append(Place("PostgreSQL", directory / "postgres", server.url()))
        figures = {place.name: asyncio.run(_measure(place, options.jobs)) for place in places}
    print(_table(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="submits of each concurrency, and jobs to claim")
    parser.add_argument("--claim-as", default="", help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, default=Path(), help=argparse.SUPPRESS)
    parser.add_argument("--database-url", default="", help=argparse.SUPPRESS)
    return parser


async def _measure(place: Place, count: int) -> Figures:
    print(f"{place.name}:", file=sys.stderr)
    figures = Figures()
    stores = await place.open()
    try:
        for concurrency in CONCURRENCIES:
            await _submits(stores, figures, count, concurrency)
            await _empty(stores)
        await _records(stores, figures, count)
        await _completes(stores, figures, count // 4)
        if place.database_url:
            await _signals(place, stores, figures)
        for claimers in CLAIMERS if place.database_url else (1,):
            for at_once in (1, BATCH):
                await _rate(lambda _: _submitted(stores), count, 32)
                await _claims(place, figures, count, claimers, at_once)
    finally:
        await stores.close()
    return figures


async def _submits(stores: Stores, figures: Figures, count: int, concurrency: int) -> None:
    took_s: list[float] = []

    async def submit(_number: int) -> None:
        job = make_job(tenant=f"tenant-{_number % 4}", request_id=f"request-{concurrency}-{_number}")
        start_s = time.perf_counter()
        await stores.jobs.submit(job, max_queued_jobs=ROOM)
        took_s.append(time.perf_counter() - start_s)

    rate = await _rate(submit, count, concurrency)
    figures.note(f"submits/s, {concurrency} at a time", rate, "/s")
    figures.note(f"  p50, {concurrency} at a time", percentile(took_s, 50) * 1000, "ms")
    figures.note(f"  p99, {concurrency} at a time", percentile(took_s, 99) * 1000, "ms")


async def _records(stores: Stores, figures: Figures, count: int) -> None:
    """In transactions of many jobs, as the recorder makes them."""
    jobs = await _running(stores, REPORTED)
    rounds = max(5, count // REPORTED)
    start_s = time.perf_counter()
    for index in range(rounds):
        reports = {
            job.lease: runs.Report(Progress(index, rounds, index + 1), NOW, (make_segment(index),)) for job in jobs
        }
        await stores.jobs._database.write(partial(runs.record, reports=reports))  # noqa: SLF001  without its timer
    figures.note(f"reports/s, {REPORTED} a transaction", rounds * REPORTED / (time.perf_counter() - start_s), "/s")
    for job in jobs:
        await stores.jobs.cancelled(job.lease, now=NOW)


async def _completes(stores: Stores, figures: Figures, count: int) -> None:
    jobs = await _running(stores, count)
    segments = [make_segment(index) for index in range(SEGMENTS)]

    async def complete(number: int) -> None:
        assert await stores.jobs.complete(jobs[number].lease, make_info(), segments, now=NOW)

    figures.note(f"jobs completed/s, {SEGMENTS} segments", await _rate(complete, count, 8), "/s")


async def _signals(place: Place, stores: Stores, figures: Figures) -> None:
    """From the call on one node to the ear of another."""
    hearer = await place.open()
    took_s: list[float] = []
    try:
        for _ in range(200):
            heard = asyncio.Event()
            end = hearer.signals.subscribe(lambda _signal, heard=heard: heard.set())  # type: ignore[misc]
            await stores.jobs.submit(make_job(), max_queued_jobs=ROOM)
            start_s = time.perf_counter()
            await heard.wait()
            took_s.append(time.perf_counter() - start_s)
            end()
    finally:
        await hearer.close()
    await _empty(stores)
    figures.note("a signal, commit to another node, p50", percentile(took_s, 50) * 1000, "ms")
    figures.note("a signal, commit to another node, p99", percentile(took_s, 99) * 1000, "ms")


async def _claims(place: Place, figures: Figures, count: int, claimers: int, at_once: int) -> None:
    command = [sys.executable, "-m", "bench.store", f"--directory={place.directory}", f"--at-once={at_once}"]
    nodes = [
        await asyncio.create_subprocess_exec(
            *command,
            f"--database-url={place.database_url}",
            f"--claim-as=node-{number}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        for number in range(claimers)
    ]
    for node in nodes:
        assert node.stdout is not None
        await node.stdout.readline()  # it is there
    start_s = time.perf_counter()
    outputs = await asyncio.gather(*map(_told_to_go, nodes))
    took_s = time.perf_counter() - start_s  # without how long a process takes to end
    await asyncio.gather(*(node.wait() for node in nodes))
    claimed = Counter(job_id for output in outputs for job_id in json.loads(output))
    assert len(claimed) == count, f"{count} jobs were submitted, {len(claimed)} claimed"
    assert claimed.most_common(1)[0][1] == 1, "a job was claimed twice"
    figures.note(f"claims/s, {claimers} claimers, {at_once} at once", count / took_s, "/s")


async def _told_to_go(node: asyncio.subprocess.Process) -> bytes:
    """What it claimed."""
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdin.write(b"go\n")
    await node.stdin.drain()
    return await node.stdout.readline()


async def _claim(place: Place, node: str, at_once: int) -> int:
    """A claimer: say that it is there, wait for the word, claim until nothing waits; print what it got."""
    stores = await place.open()
    print("ready", flush=True)
    sys.stdin.readline()
    claimed: list[str] = []
    asked = replace(ASKED, node=node, free_engines=at_once, limit=at_once)
    while True:
        claims = await stores.jobs.claim_next(asked)
        claimed += [job.job_id for job in claims.jobs]
        if not claims.jobs and not claims.ask_again:
            break
    print(json.dumps(claimed), flush=True)
    await stores.close()
    return 0


async def _rate(call: Callable[[int], Awaitable[object]], count: int, concurrency: int) -> float:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await call(number)

    start_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return count / (time.perf_counter() - start_s)


async def _submitted(stores: Stores) -> Job:
    return await stores.jobs.submit(make_job(create_time=NOW), max_queued_jobs=ROOM)


async def _running(stores: Stores, count: int) -> Sequence[Job]:
    jobs = [await _submitted(stores) for _ in range(count)]
    claims = [await stores.jobs.claim(job.job_id, node="one", now=NOW, lease_until=NOW + LEASE) for job in jobs]
    return [job for job in claims if job is not None]


async def _empty(stores: Stores) -> None:
    """Nothing waits any more."""
    while waiting := await stores.jobs.queued(now=NOW, limit=1000):
        await asyncio.gather(*(stores.jobs.request_cancel(job.tenant, job.job_id, now=NOW) for job in waiting))


def _table(figures: dict[str, Figures]) -> str:
    labels = list(dict.fromkeys(label for one in figures.values() for label in one.values))
    lines = [[label, *(one.values.get(label, "-") for one in figures.values())] for label in labels]
    return aligned([["", *figures], *lines])


if __name__ == "__main__":
    sys.exit(main())
