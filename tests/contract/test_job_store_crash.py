"""What the store has acknowledged survives `kill -9` of the process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stenod_server.domain.job import JobState
from stenod_server.store.open import Shared, open_store
from tests.contract.crash_writer import SEGMENTS
from tests.support.builders import START
from tests.support.postgres import DATABASE
from tests.support.speech import PROJECT_ROOT

ACKNOWLEDGED = 300  # lines to read before the kill


@asynccontextmanager
async def _writer(data_dir: Path, database_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.crash_writer", str(data_dir), database_url,
        cwd=PROJECT_ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Empty: the file in the data directory."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres").url(DATABASE))


async def test_every_acknowledged_call_survives_kill_nine(tmp_path: Path, database_url: str) -> None:
    async with _writer(tmp_path, database_url) as process:
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(ACKNOWLEDGED)]
        process.kill()
        lines += (await process.stdout.read()).splitlines(keepends=True)
    calls = {tuple(line.decode().split()) for line in lines if line.endswith(b"\n")}
    assert len(calls) >= ACKNOWLEDGED

    stores = await open_store(tmp_path, shared=Shared(database_url=database_url))
    for call, job_id in sorted(calls):
        job = await stores.jobs.get("default", job_id)
        if call == "completed":
            assert job.state is JobState.SUCCEEDED
            assert len([segment async for segment in stores.jobs.segments(job_id)]) == SEGMENTS
    # And what was under way is whole or not there at all.
    for job in await stores.jobs.queued(now=START, limit=10):
        assert job.request_id == job.job_id
    await stores.close()
