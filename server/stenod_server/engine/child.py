"""One tritonserver process: started tied to this one, its log captured, ended with its whole group."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import structlog

from stenod_server.engine import processes, tied_exec
from stenod_server.engine.child_log import LineSplitter, parse_line

_TAIL_LINES: Final = 12
_log = structlog.get_logger()


class Child:
    """Made by `spawn`. `problems` are the last warnings and errors it logged."""

    def __init__(self, process: asyncio.subprocess.Process, server_id: str) -> None:
        self._process = process
        self._server_id = server_id
        self.problems: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reader = asyncio.create_task(self._read_log(), name="triton log")

    @classmethod
    async def spawn(cls, command: Sequence[str], environment: Mapping[str, str], *, server_id: str, nice: int) -> Self:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches stenod alone."""
        wrapper = (sys.executable, "-I", "-S", str(Path(tied_exec.__file__)), str(os.getpid()), str(nice))
        process = await asyncio.create_subprocess_exec(
            *wrapper,
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(process, server_id)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        return await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, up to `grace_s` for the windows in flight, then SIGKILL of what is left, stubs included."""
        if self.is_running:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL the group, and whatever of it has left the group. Its shared memory goes too. Idempotent."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        # The stubs outlive their server for seconds, and hold the model's memory meanwhile.
        while stubs := processes.kill(self._server_id):
            await asyncio.sleep(0.02)
            _reap(stubs)
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read_log(self) -> None:
        splitter = LineSplitter()
        while self._process.stdout and (chunk := await self._process.stdout.read(65536)):
            for line in splitter.feed(chunk):
                parsed = parse_line(line)
                if parsed is None:
                    continue
                level, message = parsed
                if level != "debug":
                    self.problems.append(message)
                _log.log(_NUMBERS[level], "triton_says", message=message)


def _reap(pids: Sequence[int]) -> None:
    """Orphans become children of process 1; in a container without an init that is stenod itself."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


_NUMBERS: Final = {"debug": 10, "warning": 30, "error": 40}
