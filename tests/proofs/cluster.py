"""Proof: nodes that share a database do as many times the work as there are nodes, and no job twice at once.

    python -m tests.proofs.cluster

A real PostgreSQL that syncs to its disk, and real servers in processes of their own, whose recogniser sleeps, so that
no processor is the limit. Prints the throughput of 1, 2 and 4 nodes; jobs per second that the database gives out to 1,
2, 4 and 8 nodes that do nothing but ask; how long a submit takes while jobs run; and what a node that is killed leaves
behind. Exit status 1 when 4 nodes do less than 3.8 times the work of one, or a job is lost or ran twice at once.
"""

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import stenod
from stenod.results import JobState
from stenod_server.store import codec
from stenod_server.store.open import Shared, open_store
from stenod_server.store.tables import jobs
from stenod_server.telemetry import logs
from tests.support.builders import make_config, make_job
from tests.support.claimer import claimer, let_go
from tests.support.cluster_nodes import MEDIA, Execution, Member, MemberProcess, doubled, executions, member_process
from tests.support.eventually import eventually
from tests.support.postgres import DATABASE, PostgresServer, forget_everything, postgres_server

SUBMITS_AT_ONCE: Final = 8
PATIENCE_S: Final = 600.0


@dataclass
class Findings:
    """What came out, and what of it is not as it must be."""

    problems: list[str] = field(default_factory=list)

    def check(self, done: Sequence[Execution], wanted: set[str], what: str, *, once: bool = True) -> None:
        """Every job ran, and none twice at once; `once`: nor one after the other."""
        if lost := wanted - {one.job_id for one in done}:
            self.problems.append(f"{what}: {len(lost)} jobs did not run")
        if twice := doubled(done):
            self.problems.append(f"{what}: {len(twice)} times a job ran on two nodes at once")
        if once and len(done) != len(wanted):
            self.problems.append(f"{what}: {len(done)} executions of {len(wanted)} jobs")


def say(text: str) -> None:
    print(f"\r{text:78s}", end="", file=sys.stderr, flush=True)


async def cluster(
    stack: AsyncExitStack, directory: Path, server: PostgresServer, count: int, **given: Any
) -> tuple[MemberProcess, list[MemberProcess]]:
    """A node that only answers, and so many that work; an empty database."""
    forget_everything(server)
    base = {"directory": str(directory), "database_url": server.url(DATABASE), **given}
    members = [Member(name=f"node-{number}", **base) for number in range(1, count + 1)]
    front = Member(name="front", **{**base, "engines": 0})
    opened = [await stack.enter_async_context(member_process(member)) for member in (front, *members)]
    return opened[0], opened[1:]


async def submit(client: stenod.Client, count: int) -> tuple[list[str], list[float]]:
    """The jobs, and how long each took to be accepted."""
    turns, took_s = asyncio.Semaphore(SUBMITS_AT_ONCE), []

    async def one() -> str:
        async with turns:
            begin_s = time.perf_counter()
            job = await client.submit(MEDIA, language="en")
            took_s.append(time.perf_counter() - begin_s)
            return job.job_id

    return list(await asyncio.gather(*(one() for _ in range(count)))), took_s


async def until_done(members: Sequence[Member], count: int, what: str) -> list[Execution]:
    deadline_s = time.monotonic() + PATIENCE_S
    while len(done := [one for one in executions(members) if one.end_s < math.inf]) < count:
        say(f"{what}: {len(done)} of {count} jobs")
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.5)
    return executions(members)


async def throughput(server: PostgresServer, asked: argparse.Namespace, count: int, findings: Findings) -> float:
    """Jobs per second of so many nodes, from the first window that begins to the last that ends."""
    wanted = count * asked.engines * asked.waves
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            sizes = {"engines": asked.engines, "sleep_s": asked.sleep_s, "wait": True}
            front, nodes = await cluster(stack, Path(name), server, count, **sizes)
            client = await stack.enter_async_context(stenod.Client(front.address))
            ids, _ = await submit(client, wanted)
            front.member.go_path.touch()
            members = [node.member for node in nodes]
            done = await until_done(members, wanted, f"{count} nodes")
            for job_id in ids:
                assert (await client.wait(job_id)).state is JobState.SUCCEEDED
    findings.check(done, set(ids), f"{count} nodes")
    return len(done) / (max(one.end_s for one in done) - min(one.start_s for one in done))


async def claims(
    server: PostgresServer, asked: argparse.Namespace, nodes: tuple[int, int], findings: Findings
) -> float:
    """Jobs per second that `nodes` claim: how many of them, and how many jobs each claims at most at a time."""
    count, limit = nodes
    forget_everything(server)
    url = server.url(DATABASE)
    with tempfile.TemporaryDirectory() as name:
        stores = await open_store(Path(name), shared=Shared(database_url=url))
        tenants = (f"tenant-{number % asked.tenants}" for number in range(asked.claims))
        rows = [codec.job_row(make_job(tenant=tenant, config=make_config())) for tenant in tenants]
        await stores.jobs._database.write(lambda connection: connection.execute(sa.insert(jobs), rows))
        await stores.close()
    server.sql("ANALYZE jobs", DATABASE)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(claimer(url, f"node-{one}", limit)) for one in range(count)]
        say(f"{count} claimers of {limit}")
        claimed = await asyncio.gather(*(let_go(process) for process in opened))
    ids = [job_id for one in claimed for job_id in one.jobs]
    if len(ids) != len(set(ids)) or len(ids) != asked.claims:
        findings.problems.append(
            f"{count} claimers: {len(ids)} claims of {asked.claims} jobs, {len(set(ids))} different"
        )
    return len(ids) / (max(one.end_s for one in claimed) - min(one.begin_s for one in claimed))


async def latency(server: PostgresServer, asked: argparse.Namespace) -> list[float]:
    """Seconds that submits take, one after the other, while two nodes are full and jobs wait."""
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            front, _ = await cluster(stack, Path(name), server, 2, engines=asked.engines, sleep_s=2.0)
            client = await stack.enter_async_context(stenod.Client(front.address))
            await submit(client, 200)
            took_s = []
            for number in range(asked.submits):
                say(f"submit {number} of {asked.submits}")
                begin_s = time.perf_counter()
                await client.submit(MEDIA, language="en")
                took_s.append(time.perf_counter() - begin_s)
    return sorted(took_s)


async def killed(server: PostgresServer, findings: Findings) -> tuple[int, int]:
    """One of three nodes is killed while all work; gives the jobs, and those that were executed again."""
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            sizes = {"engines": 4, "sleep_s": 0.5, "windows": 4, "lease_s": 2.0}
            front, nodes = await cluster(stack, Path(name), server, 3, **sizes)
            client = await stack.enter_async_context(stenod.Client(front.address))
            ids, _ = await submit(client, 60)
            dead = nodes[0]
            await eventually(lambda: len(executions([dead.member])) > 6, timeout_s=60.0)
            await dead.kill()
            died_s = time.time()
            for number, job_id in enumerate(ids):
                say(f"a node was killed: {number} of {len(ids)} jobs")
                assert (await client.wait(job_id)).state is JobState.SUCCEEDED
            done = executions([node.member for node in nodes])
    # What it was at ended with it.
    done = [one if one.end_s < math.inf else Execution(one.job_id, one.start_s, died_s, one.node) for one in done]
    findings.check(done, set(ids), "a node killed", once=False)
    moved = {one.job_id for one in done if one.node == dead.member.name}
    moved &= {one.job_id for one in done if one.node != dead.member.name}
    return len(ids), len(moved)


def _table(title: str, rows: Sequence[Sequence[str]]) -> None:
    say("")
    print(f"\n{title}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    number: Callable[[str], list[int]] = lambda text: [int(one) for one in text.split(",")]  # noqa: E731
    parser.add_argument("--nodes", type=number, default=[1, 2, 4], help="how many nodes share the work")
    parser.add_argument("--engines", type=int, default=4, help="of each node")
    parser.add_argument("--sleep-s", type=float, default=8.0, help="that a job takes")
    parser.add_argument("--waves", type=int, default=4, help="jobs for each engine")
    parser.add_argument("--claimers", type=number, default=[1, 2, 4, 8])
    parser.add_argument("--claims", type=int, default=3000, help="jobs that wait for them")
    parser.add_argument("--tenants", type=int, default=5, help="whose jobs those are")
    parser.add_argument("--submits", type=int, default=300)
    parser.add_argument("--min-ratio", type=float, default=0.95, help="of the throughput of nodes to that of one, each")
    return parser.parse_args()


async def work(server: PostgresServer, asked: argparse.Namespace, findings: Findings) -> None:
    rates = {count: await throughput(server, asked, count, findings) for count in asked.nodes}
    first = rates[min(rates)] / min(rates)
    rows = [[f"{count}", f"{rate:.2f}", f"{rate / first:.2f}", f"{count}.00"] for count, rate in rates.items()]
    title = f"Jobs of {asked.sleep_s:g} s on nodes of {asked.engines} engines"
    _table(title, [["nodes", "jobs/s", "times one", "at best"], *rows])
    findings.problems += [
        f"{count} nodes do {rate / first:.2f} times the work of one"
        for count, rate in rates.items()
        if rate / first < count * asked.min_ratio
    ]


async def giving_out(server: PostgresServer, asked: argparse.Namespace, findings: Findings) -> None:
    rows = [["nodes", "one at a time", "eight at a time"]]
    for count in asked.claimers:
        rates = [await claims(server, asked, (count, limit), findings) for limit in (1, 8)]
        rows.append([f"{count}", *(f"{rate:.0f}/s" for rate in rates)])
    _table(f"Jobs given out, {asked.claims} of {asked.tenants} tenants", rows)


async def main() -> int:
    asked, findings = _options(), Findings()
    logs.configure("error")
    with postgres_server(durable=True) as server:
        await work(server, asked, findings)
        await giving_out(server, asked, findings)
        took_s = await latency(server, asked)
        parts = {"p50": 0.5, "p99": 0.99}
        rows = [[name, f"{took_s[int(len(took_s) * part)] * 1000:.1f} ms"] for name, part in parts.items()]
        _table("Submits at a node that only answers, while jobs run and wait", rows)
        total, moved = await killed(server, findings)
        _table("A node of three killed", [["jobs", f"{total}"], ["went on elsewhere", f"{moved}"]])
    print("\n".join(["", *(findings.problems or ["No job was lost, and none ran twice at once."])]))
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
