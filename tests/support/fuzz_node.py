"""A node for fuzzing, and what must hold of it afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

import stenod
from stenod.results import JobState
from stenod_server import errors
from stenod_server.rpc.status import every_error
from tests.support.fuzz_calls import Caller, Messages
from tests.support.fuzz_media import seeds
from tests.support.node import fake_node
from tests.support.waves import talk, write_wav

_CALLERS_REASONS = {kind.reason for kind in every_error(errors.InvalidRequest)} - {errors.PoisonJob.reason}
_UNREACHABLE = {errors.FetchFailed.reason}  # an address that nobody answers at

JOBS_END_S = 120.0


@dataclass(frozen=True, slots=True)
class FuzzedNode:
    """A node with real decoders and a recogniser that sleeps."""

    caller: Caller
    client: stenod.Client
    directory: Path

    async def faults(self) -> list[str]:
        """As `node_faults`."""
        return await node_faults(self.client, self.directory)


async def node_faults(client: stenod.Client, directory: Path) -> list[str]:
    """Once no more comes in: jobs that do not end or end by the node's fault, and whether it still transcribes."""
    found = []
    async with asyncio.timeout(JOBS_END_S):
        while [job async for job in client.jobs(states=(JobState.QUEUED, JobState.RUNNING))]:  # noqa: ASYNC110  over the wire
            await asyncio.sleep(0.1)
    async for job in client.jobs(states=(JobState.FAILED,)):
        reason = job.error.reason if job.error else ""
        if reason not in _CALLERS_REASONS | _UNREACHABLE:
            found.append(f"{job.job_id} failed: {reason} {job.error}")
    good = write_wav(directory / "good.wav", talk(2))
    job = await client.submit(good)
    if (await client.wait(job.job_id, timeout_s=JOBS_END_S)).state is not JobState.SUCCEEDED:
        found.append("a good recording is not transcribed any more")
    return found


@asynccontextmanager
async def fuzzed_node(directory: Path, seed: int) -> AsyncIterator[FuzzedNode]:
    async with (
        fake_node(directory, parallel=4, decode_workers=2, attempts=2, fetch_timeout_s=5.0) as node,
        grpc.aio.insecure_channel(node.address, options=[("grpc.enable_http_proxy", 0)]) as channel,
        stenod.Client(node.address) as client,
    ):
        caller = Caller(channel, Messages(random.Random(seed), seeds()))
        yield FuzzedNode(caller, client, directory)
