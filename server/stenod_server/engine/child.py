"""One tritonserver process: started tied to this one, its log captured, ended with its whole group. And the process
that ends it when this one cannot.
"""

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

from stenod_server.engine import dead_mans_switch, processes, tied_exec
from stenod_server.engine.child_log import LineSplitter, parse_line

_TAIL_LINES: Final = 12
_POLL_S: Final = 0.02
_REAP_S: Final = 10.0
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
        """Start it in a process group of its own, so that a Ctrl-C at the terminal reaches stenod alone."""
        wrapper = (sys.executable, "-I", "-S", str(Path(tied_exec.__file__)), str(os.getpid()), str(nice))
        process = await asyncio.create_subprocess_exec(
            *wrapper,
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        return cls(process, server_id)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    def waits_s(self) -> dict[int, float]:
        """How long its threads and those of its stubs waited for a processor; see `processes.waits_s`."""
        return processes.waits_s(self._server_id)

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
        # The stubs outlive their server, for seconds or for ever, and hold the model's memory meanwhile.
        try:
            async with asyncio.timeout(_REAP_S):
                while stubs := processes.kill(self._server_id):
                    await asyncio.sleep(_POLL_S)
                    _reap(stubs)
                await asyncio.gather(self._reader, return_exceptions=True)  # ends when the last of them has
        except TimeoutError:
            _log.error("triton_survives_its_kill", pids=processes.find(self._server_id))  # in an uninterruptible call
            self._reader.cancel()

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


class DeadMansSwitch:
    """The parent's side of `dead_mans_switch`: one process beside stenod, from `arm` to `disarm`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def arm(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            dead_mans_switch.__name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def cover(self, server_id: str) -> None:
        """To be called before that Triton is started. A switch that somebody killed is no reason not to start it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(f"{server_id}\n".encode())
            with suppress(ConnectionError):
                await self._process.stdin.drain()

    async def disarm(self) -> None:
        """End the switch, which first kills what is left. Idempotent."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()
            self._process = None


def _reap(pids: Sequence[int]) -> None:
    """Orphans become children of process 1; in a container without an init that is stenod itself."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


_NUMBERS: Final = {"debug": 10, "warning": 30, "error": 40}
