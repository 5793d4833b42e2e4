"""Proof: what the probes say over the life of a node.

    python -m tests.proofs.probes

A real server with two engines is started, left idle, filled, drained under load, and loses its Triton; at each moment
`/live`, `/ready` and the AssemblyAI dialect's `/health` are asked. Prints the table; exit status 1 when an answer is
not the expected one.
"""

import asyncio
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

import stenod
from tests.support.eventually import eventually_so
from tests.support.models import build_models
from tests.support.restartable import RestartableServer, free_port
from tests.support.speech import recordings

PATIENCE_S: Final = 60.0
Answers = tuple[int, int, int]  # of /live, /ready, /health
STARTING: Final = (200, 503, 501)
WELL: Final = (200, 200, 200)
FULL: Final = (200, 503, 200)
DRAINING: Final = (200, 503, 501)
WITHOUT_TRITON: Final = (200, 503, 501)  # in reject mode; a queue would take the job all the same


@dataclass(frozen=True, slots=True)
class Moment:
    """What was expected at a moment of the node's life, and what was said."""

    name: str
    expected: Answers
    said: Answers
    ready: str

    @property
    def holds(self) -> bool:
        return self.said == self.expected


class Observer:
    """Asks a node until it says what is expected, or for too long."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.moments: list[Moment] = []

    async def expect(self, name: str, expected: Answers) -> None:
        said, ready = (0, 0, 0), ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while said != expected:
                    said, ready = await self._ask()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        self.moments.append(Moment(name, expected, said, ready))

    async def _ask(self) -> tuple[Answers, str]:
        try:
            live, ready, health = [await self._client.get(path) for path in ("/live", "/ready", "/health")]
        except httpx.TransportError:
            return (0, 0, 0), ""
        return (live.status_code, ready.status_code, health.status_code), ready.text


async def life(directory: Path, models_dir: Path) -> list[Moment]:
    address = f"127.0.0.1:{free_port()}"
    options = ("--parallel=2", "--elastic=off", "--admission=reject", "--drain-s=60", f"--http-listen={address}")
    server = RestartableServer(directory / "node", *options, models_dir=models_dir, log=directory / "server.log")
    [long] = recordings("long")
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5.0) as client:
        observer = Observer(client)
        starting = asyncio.create_task(server.start())
        await observer.expect("starting", STARTING)
        await starting
        await observer.expect("idle", WELL)
        async with stenod.Client(server.address) as grpc:
            jobs = [await grpc.submit(long.path) for _ in range(2)]
            await observer.expect("full", FULL)
            for job in jobs:
                await grpc.delete(job.job_id, force=True)
            await observer.expect("idle again", WELL)
            windows = await server.windows()
            await grpc.submit(long.path)  # what does not come back tells that it hangs, long before the next look at it
            await eventually_so(lambda: _has_recognised_more(server, windows), timeout_s=PATIENCE_S)
            for triton in server.tritons():
                triton.send_signal(signal.SIGSTOP)
            await observer.expect("Triton hangs", WITHOUT_TRITON)
            for triton in server.tritons():
                triton.kill()
            await observer.expect("Triton replaced", WELL)
            await grpc.submit(long.path)
        server.send(signal.SIGTERM)
        await observer.expect("draining", DRAINING)
        server.send(signal.SIGTERM)
        await server.ended()
        await observer.expect("ended", (0, 0, 0))
    return observer.moments


async def _has_recognised_more(server: RestartableServer, windows: float) -> bool:
    return await server.windows() > windows


async def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        moments = await life(Path(name), build_models())
    print(f"{'moment':<16} {'/live':>6} {'/ready':>7} {'/health':>8}  body of /ready")
    for moment in moments:
        live, ready, health = (status or "-" for status in moment.said)
        print(f"{moment.name:<16} {live:>6} {ready:>7} {health:>8}  {moment.ready}  {'' if moment.holds else 'FAIL'}")
    return 0 if all(moment.holds for moment in moments) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
