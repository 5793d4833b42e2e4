"""Nodes that share a database and a directory of media, in this process or each in one of its own, to be killed:
`python -m tests.support.cluster_nodes '{"directory": …}'`. Their recogniser sleeps; nothing is decoded.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from stenod_server.app.node import Node, Parts, open_node
from stenod_server.engine.fake import FakeEngine
from stenod_server.settings import load
from stenod_server.telemetry import logs
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node_process import START_S
from tests.support.speech import PROJECT_ROOT

MEDIA: Final = b"RIFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One node. `engines` 0: it only answers, with nothing that could do more. A job has `windows`, each of which
    takes `sleep_s`. `directory` is the cluster's; where nodes `wait`, they begin to work together when told to go.
    """

    directory: str
    database_url: str
    name: str
    engines: int = 4
    sleep_s: float = 0.0
    windows: int = 1
    lease_s: float = 30.0
    wait: bool = False

    @property
    def go_path(self) -> Path:
        return Path(self.directory) / "go"

    @property
    def executions_path(self) -> Path:
        """Where it writes every window that it recognises."""
        return Path(self.directory) / f"{self.name}.executions"


@dataclass(frozen=True, slots=True, order=True)
class Execution:
    """A window of a job at a node; the end is infinite where the node did not live to see it."""

    job_id: str
    start_s: float
    end_s: float
    node: str


class LoggingEngine(FakeEngine):
    """Writes down what it does for which job, before and after."""

    def __init__(self, member: Member) -> None:
        super().__init__(fixed_delay_s=member.sleep_s)
        self._member = member
        self._log = member.executions_path.open("a", buffering=1)

    def is_ready(self, model: str = "") -> bool:
        return super().is_ready(model) and (not self._member.wait or self._member.go_path.exists())

    async def recognise(self, *args: Any, **options: Any) -> Any:
        job_id = structlog.contextvars.get_contextvars()["job_id"]
        self._log.write(f"{job_id} begins {time.time()}\n")
        try:
            return await super().recognise(*args, **options)
        finally:
            self._log.write(f"{job_id} ends {time.time()}\n")

    async def close(self) -> None:
        await super().close()
        self._log.close()


@asynccontextmanager
async def cluster_node(member: Member, engine: FakeEngine | None = None, **settings: Any) -> AsyncIterator[Node]:
    """The node in this process; the real API, store and scheduler. `settings` as for `stenod serve`."""
    data, media = Path(member.directory) / member.name, Path(member.directory) / "media"
    media.mkdir(parents=True, exist_ok=True)
    data.mkdir(exist_ok=True)
    if not (data / "blobs").exists():
        (data / "blobs").symlink_to(media, target_is_directory=True)  # in place of a bucket
    given = {
        "listen": "127.0.0.1:0",
        "http_listen": "off",
        "metrics_listen": "off",
        "model": "fake",
        "node": member.name,
        "parallel": member.engines,
        "database_url": member.database_url,
        "lease_s": member.lease_s,
        "min_free_bytes": 0,
        **settings,
    }
    parts = Parts()
    if member.engines:
        front_end = ScriptedFrontEnd(make_windows(member.windows, gap_s=1.0))
        parts = Parts(engine=engine or LoggingEngine(member), front_end=front_end)
    async with open_node(load(data_dir=data, **given), parts=parts) as node:
        yield node


@dataclass(frozen=True, slots=True)
class MemberProcess:
    """A node in a process of its own; `address` is that of its gRPC API."""

    member: Member
    address: str
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def member_process(member: Member) -> AsyncIterator[MemberProcess]:
    """Runs until it is killed, at the latest at the end of the context."""
    command = [sys.executable, "-m", "tests.support.cluster_nodes", json.dumps(asdict(member))]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=PROJECT_ROOT)
    try:
        assert process.stdout
        async with asyncio.timeout(START_S):
            while not (line := (await process.stdout.readline()).decode()).startswith("READY"):
                assert line or process.returncode is None, "the node did not start"
        yield MemberProcess(member, line.split()[1], process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def executions(members: Sequence[Member]) -> list[Execution]:
    """All that was recognised so far, by job and time."""
    found = []
    for member in members:
        begun: dict[str, list[float]] = {}
        for line in member.executions_path.read_text().splitlines() if member.executions_path.exists() else ():
            job_id, event, time_s = line.split()
            if event == "begins":
                begun.setdefault(job_id, []).append(float(time_s))
            else:
                found.append(Execution(job_id, begun[job_id].pop(0), float(time_s), member.name))
        found += [Execution(job_id, one, float("inf"), member.name) for job_id, left in begun.items() for one in left]
    return sorted(found)


def doubled(done: Sequence[Execution]) -> list[tuple[Execution, Execution]]:
    """Pairs of executions of one job on two nodes at the same time."""
    pairs = []
    for index, one in enumerate(done):
        for other in done[index + 1 :]:
            if other.job_id != one.job_id:
                break
            if other.node != one.node and other.start_s < one.end_s:
                pairs.append((one, other))
    return pairs


async def _serve(member: Member) -> None:
    logs.configure("error")
    async with cluster_node(member) as node:
        print("READY", node.address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Member(**json.loads(sys.argv[1]))))
