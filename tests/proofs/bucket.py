"""Proof: a bucket that goes silent while jobs run, wait and come in costs time, and no job.

    python -m tests.proofs.bucket [--jobs 60] [--away-s 30]

A node whose recogniser sleeps, its media in a bucket of a real S3 server behind a proxy. When a few jobs are done the
proxy takes everything and answers nothing for a while; meanwhile a client goes on submitting, by request_id, until it
is told that its job is accepted. Exit status 1 where a job did not succeed, counted a failure, or has another
transcript than it should, or where a refusal took longer than `--told-s`.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

import stenod
from stenod.results import JobState
from stenod_server.app.node import Node
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.engine.fake import FakeEngine
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.s3_place import BUCKET
from tests.support.seaweed import running_s3
from tests.support.tcp_proxy import TcpProxy

WINDOWS: Final = 3
SECONDS: Final = 2
TEXT: Final = " ".join([f"{SECONDS * SAMPLE_RATE_HZ}-{second}" for second in range(SECONDS)] * WINDOWS)
TENANT: Final = "default"


@dataclass(slots=True)
class Found:
    """What came of it. Times in seconds; `told_s`: how long the slowest refusal took."""

    submitted: int = 0
    refused: int = 0
    told_s: float = 0.0
    lost: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    postponed: int = 0
    all_s: float = 0.0

    def problems(self, told_s: float) -> Sequence[str]:
        found = [f"{name}: {jobs}" for name in ("lost", "blamed", "wrong") if (jobs := getattr(self, name))]
        if not self.refused or not self.postponed:
            found.append("nobody met the bucket's absence: nothing is proven")
        if self.told_s > told_s:
            found.append(f"a refusal took {self.told_s:.1f} s")
        return found


async def outage(directory: Path, *, jobs: int, away_s: float, engine_s: float = 0.3) -> Found:
    """Let the bucket be away for so long, in the middle of so many jobs."""
    found, engine = Found(), FakeEngine(fixed_delay_s=engine_s)
    async with AsyncExitStack() as stack:
        (directory / "s3").mkdir()
        server = await stack.enter_async_context(running_s3(directory / "s3"))
        await server.make_bucket(BUCKET)
        proxy = await stack.enter_async_context(TcpProxy(server.url.removeprefix("http://")))
        os.environ.update({**server.environment, "AWS_ENDPOINT_URL": f"http://{proxy.url}"})
        front_end = ScriptedFrontEnd(make_windows(WINDOWS, seconds=SECONDS))
        settings: dict[str, Any] = {"blob_url": f"s3://{BUCKET}/proof", "parallel": 8, "elastic": False}
        node = await stack.enter_async_context(fake_node(directory, engine, front_end, **settings))
        client = await stack.enter_async_context(stenod.Client(node.address, retry=stenod.RetryPolicy(attempts=1)))
        ids = [(await client.submit(_media(number))).job_id for number in range(jobs)]
        await client.wait(ids[4])
        proxy.quiet = True
        back_s = time.monotonic() + away_s
        late = asyncio.create_task(_submit_until_taken(client, range(jobs, 2 * jobs), found))
        while time.monotonic() < back_s:
            await asyncio.sleep(0.5)
            _progress("bucket away", sum([await _is_done(node, job) for job in ids]), len(ids))
        proxy.quiet = False
        ids += await late
        await _judge(node, client, ids, back_s, found)
    found.submitted = len(ids)
    return found


def _media(number: int) -> bytes:
    return b"RIFF" + number.to_bytes(4) * 5000


async def _submit_until_taken(client: stenod.Client, numbers: range, found: Found) -> list[str]:
    """One by one, each until the node has it."""
    ids = []
    for number in numbers:
        while True:
            begin_s = time.monotonic()
            try:
                ids.append((await client.submit(_media(number), request_id=f"late-{number}")).job_id)
            except stenod.StenodError as error:
                if error.reason != "STORE_UNAVAILABLE":
                    raise
                found.refused += 1
                found.told_s = max(found.told_s, time.monotonic() - begin_s)
                continue
            break
    return ids


async def _is_done(node: Node, job_id: str) -> bool:
    return (await node.scheduler.get(TENANT, job_id)).state.is_terminal


async def _judge(node: Node, client: stenod.Client, ids: Sequence[str], back_s: float, found: Found) -> None:
    for number, job_id in enumerate(ids):
        _progress("bucket back", number, len(ids))
        ended = await client.wait(job_id, timeout_s=120)
        job = await node.scheduler.get(TENANT, job_id)
        if job.end_time is None or ended.state is not JobState.SUCCEEDED:
            found.lost.append(job_id)
            continue
        if job.failures:
            found.blamed.append(job_id)
        if (await client.transcript(job_id)).text.replace("\n", " ").strip() != TEXT:
            found.wrong.append(job_id)
        found.postponed += job.attempt - 1
    found.all_s = time.monotonic() - back_s


def _progress(phase: str, done: int, of: int) -> None:
    print(f"\r{phase}: {done} of {of}   ", end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60, help="before the outage, and as many during it")
    parser.add_argument("--away-s", type=float, default=30.0)
    parser.add_argument("--told-s", type=float, default=25.0, help="how long a refusal may take")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="stenod-proof-") as directory:
        found = asyncio.run(outage(Path(directory), jobs=arguments.jobs, away_s=arguments.away_s))
    print(
        f"\nbucket silent for {arguments.away_s:g} s; jobs accepted {found.submitted}, lost {len(found.lost)}, "
        f"blamed {len(found.blamed)}, with a wrong or doubled transcript {len(found.wrong)}\n"
        f"attempts that were postponed {found.postponed}; submits refused {found.refused}, "
        f"the slowest after {found.told_s:.1f} s; all done {found.all_s:.1f} s after its return"
    )
    for problem in found.problems(arguments.told_s):
        print(f"FAILED: {problem}")
    return 1 if found.problems(arguments.told_s) else 0


if __name__ == "__main__":
    sys.exit(main())
