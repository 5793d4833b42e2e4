"""A claimer in a process of its own: `python -m tests.support.claimer URL NODE LIMIT`. It opens the store, says READY,
waits for a line, claims until nothing is left, and says how many it got and when.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from stenod_server.domain.job import JobState
from stenod_server.domain.quota import NO_LIMITS
from stenod_server.ports.cluster import ClaimRequest
from stenod_server.store.open import Shared, Stores, open_store
from tests.support.speech import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claimer got: jobs, by how many calls, and when (wall clock)."""

    jobs: list[str]
    calls: int
    begin_s: float
    end_s: float


@asynccontextmanager
async def claimer(database_url: str, node: str, limit: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """One that is READY."""
    command = [sys.executable, "-m", "tests.support.claimer", database_url, node, str(limit)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, cwd=PROJECT_ROOT, limit=64 * 1024**2
    )
    try:
        assert process.stdout
        assert (await process.stdout.readline()).startswith(b"READY")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def let_go(process: asyncio.subprocess.Process) -> Claimed:
    """Have it claim."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"go\n")
    return Claimed(**json.loads(await process.stdout.readline()))


def ask(node: str, limit: int, stores: Stores) -> ClaimRequest:
    """As a node of that many engines, all of which are free, asks."""
    assert stores.clock
    now = stores.clock.now()
    return ClaimRequest(
        node=node,
        free_engines=limit,
        max_engines=limit,
        largest_engines=limit,
        models=("fake",),
        busy_with=(),
        can_run=lambda _config: True,
        limits_of=lambda _tenant: NO_LIMITS,
        max_overtakes=8,
        now=now,
        lease_until=now + timedelta(minutes=10),
        limit=limit,
    )


async def _claim(stores: Stores, node: str, limit: int) -> Claimed:
    jobs: list[str] = []
    calls, begin_s = 0, time.time()
    while True:
        claims = await stores.jobs.claim_next(ask(node, limit, stores))
        jobs += [job.job_id for job in claims.jobs]
        calls += 1
        if not claims.jobs and not claims.ask_again and not (await stores.jobs.counts())[JobState.QUEUED]:
            return Claimed(jobs, calls, begin_s, time.time())


async def _main(database_url: str, node: str, limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        stores = await open_store(Path(name), shared=Shared(database_url=database_url, database_pool=2))
        print("READY", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        claimed = await _claim(stores, node, limit)
        await stores.close()
    print(
        json.dumps({"jobs": claimed.jobs, "calls": claimed.calls, "begin_s": claimed.begin_s, "end_s": claimed.end_s})
    )


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
