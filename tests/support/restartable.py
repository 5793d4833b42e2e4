"""A server that dies and comes back at the same address, as one does under a supervisor; and who runs below it."""

import asyncio
import random
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import psutil

from tests.support.server import RunningServer, start_server

STOP_S: Final = 60.0
# Below the ephemeral ports, or a client's own connection could take the address while the server is down.
_PORTS: Final = range(20_000, 30_000)


class RestartableServer:
    """`stenod serve` with the same data and the same address through every restart."""

    def __init__(self, data_dir: Path, *options: str, models_dir: Path, log: Path | None = None) -> None:
        self.data_dir = data_dir
        self.restarts = 0
        self._models_dir = models_dir
        self._log = log
        self.address = f"127.0.0.1:{free_port()}"
        self._options = (*options, f"--listen={self.address}")
        self._server: RunningServer | None = None

    @property
    def running(self) -> RunningServer:
        assert self._server is not None
        return self._server

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.running.process.pid)

    async def start(self) -> None:
        self._server = await start_server(self.data_dir, *self._options, models_dir=self._models_dir, log=self._log)

    async def restart(self) -> None:
        self.restarts += 1
        await self.start()

    async def forget(self) -> None:
        """Begin again without any data."""
        await self.close()
        shutil.rmtree(self.data_dir)
        await self.start()

    def send(self, sign: signal.Signals) -> None:
        self.running.process.send_signal(sign)

    async def ended(self) -> int:
        """Wait for the end of the process; its exit status."""
        return await asyncio.wait_for(self.running.process.wait(), STOP_S)

    async def close(self) -> int:
        """End it by SIGTERM; its exit status."""
        if self._server is None:
            return 0
        if self.running.process.returncode is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        return await self.ended()

    async def windows(self) -> float:
        """Windows recognised since this process started. Raises OSError or HTTPException where nobody answers."""
        return (await asyncio.to_thread(scrape, self.running.metrics))["stenod_windows_total"]

    # --- who runs below it ----------------------------------------------------------------------------------------

    def tritons(self) -> list[psutil.Process]:
        return [child for child in self._children() if child.name() == "tritonserver"]

    def stubs(self) -> list[psutil.Process]:
        return [child for child in self._children() if child.name().startswith("triton_python")]

    def decoders(self) -> list[psutil.Process]:
        return [child for child in self._children() if "stenod_server.audio.worker" in _command(child)]

    def _children(self) -> Iterator[psutil.Process]:
        for child in self.process.children(recursive=True):
            try:
                if child.status() != psutil.STATUS_ZOMBIE:
                    yield child
            except psutil.Error:
                continue


def scrape(address: str) -> dict[str, float]:
    """The metrics of a node. Raises OSError or HTTPException."""
    with urlopen(f"http://{address}/metrics", timeout=2.0) as page:
        text = page.read().decode()
    return {match[1]: float(match[2]) for match in re.finditer(r"(?m)^(stenod_\S+) (\S+)$", text)}


def free_port() -> int:
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = f"no port of {_PORTS} is free"
    raise AssertionError(message)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


DOWN: Final = (OSError, HTTPException)  # what `windows` and `scrape` raise while nobody answers
