"""A stenod server for tests: `stenod serve` as a child process, as a user runs it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.support.speech import PROJECT_ROOT

STENOD = PROJECT_ROOT / ".venv" / "bin" / "stenod"
START_S = 240.0  # on a machine that others keep busy, too


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that said READY. Addresses are `host:port`."""

    address: str
    http: str
    metrics: str
    health: str
    process: asyncio.subprocess.Process
    data_dir: Path
    log: Path


@asynccontextmanager
async def serving(data_dir: Path, *options: str, models_dir: Path) -> AsyncIterator[RunningServer]:
    """Run `stenod serve` on free ports until the context ends, then stop it by SIGTERM and expect exit status 0."""
    server = await start_server(data_dir, *options, models_dir=models_dir)
    try:
        yield server
    finally:
        status = await stop_server(server)
        assert status == 0, f"the server ended with {status}:\n{server.log.read_text()[-4000:]}"


async def start_server(
    data_dir: Path,
    *options: str,
    models_dir: Path,
    log: Path | None = None,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> RunningServer:
    """`log` is where it writes: beside its data unless told otherwise. Nobody is told apart unless an option names
    a `--voices-model`: loading one takes the time of each test that needs none. `prefix`: a command that runs it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log = log or data_dir / "server.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *prefix,
            sys.executable,
            "-m",
            "stenod_server",
            "serve",
            f"--data-dir={data_dir}",
            f"--models-dir={models_dir}",
            "--listen=127.0.0.1:0",
            "--http-listen=127.0.0.1:0",
            "--metrics-listen=127.0.0.1:0",
            "--health-listen=127.0.0.1:0",
            *([] if any(option.startswith("--voices-model") for option in options) else ["--voices-model="]),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "NO_COLOR": "1", **environment},
            cwd=PROJECT_ROOT,
        )
    assert process.stdout
    try:
        async with asyncio.timeout(START_S):
            while line := (await process.stdout.readline()).decode():
                if line.startswith("READY"):
                    where = dict(re.findall(r"(\w+)=(\S+)", line))
                    return RunningServer(
                        where["grpc"], where["http"], where["metrics"], where["health"], process, data_dir, log
                    )
    except TimeoutError:
        process.kill()
    await process.wait()
    message = f"no READY from the server:\n{log.read_text()[-4000:]}"
    raise AssertionError(message)


async def stop_server(server: RunningServer, sign: signal.Signals = signal.SIGTERM) -> int:
    if server.process.returncode is None:
        server.process.send_signal(sign)
    return await asyncio.wait_for(server.process.wait(), 60)
