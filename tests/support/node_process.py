"""A node of `fake_node` in a process of its own, to be killed: `python -m tests.support.node_process DIR`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import fake_node
from tests.support.speech import PROJECT_ROOT

START_S = 60.0


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """`address` is that of the gRPC API, `metrics` that of the metrics."""

    address: str
    metrics: str
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def node_process(directory: Path) -> AsyncIterator[NodeProcess]:
    """Runs until it is killed, at the latest at the end of the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.node_process",
        str(directory),
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT_ROOT,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(START_S):
            while not (line := (await process.stdout.readline()).decode()).startswith("READY"):
                assert line or process.returncode is None, "the node did not start"
        address, metrics = line.split()[1:]
        yield NodeProcess(address, metrics, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serve(directory: Path) -> None:
    loopback = ("127.0.0.0/8",)
    async with fake_node(directory, fetch_allow=loopback, metrics_listen="127.0.0.1:0") as node:
        print("READY", node.address, node.metrics_address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
