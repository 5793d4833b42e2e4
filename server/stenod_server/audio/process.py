"""The server's side of one worker process: requests in, items out, killed rather than asked to stop."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import numpy as np
import structlog

from stenod_server.audio import messages
from stenod_server.audio.answers import AnswerPipe
from stenod_server.errors import DecoderDied, LimitExceeded
from stenod_server.ports import AudioSummary, WindowPlan

_log = structlog.get_logger()

_TAIL_LINES: Final = 20
_CPUCLOCK_SCHED: Final = 2  # of a whole process, in the number of its clock: clock_getcpuclockid(3)
# What a library does to the process when a file leads it astray. Not SIGKILL: that is somebody from outside.
_CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
_ENVIRONMENT: Final = {
    # One core per worker; and one malloc arena, or memory freed by one thread is not found by another.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


class WorkerProcess:
    """Made by `spawn`. `is_free`: it waits for a recording. `recordings` counts those it was given."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        answers: AnswerPipe,
        options: messages.WorkerOptions,
        *,
        stall_timeout_s: float,
    ) -> None:
        self._process = process
        self._answers = answers
        self._options = options
        self._stall_timeout_s = stall_timeout_s
        self._complaints: deque[str] = deque(maxlen=_TAIL_LINES)
        self._listener = asyncio.create_task(self._listen(), name="audio worker's complaints")
        self.is_free = True
        self.recordings = 0

    @classmethod
    async def spawn(cls, options: messages.WorkerOptions, *, stall_timeout_s: float) -> Self:
        """Start a process. Raises DecoderDied where the machine gives none."""
        command = (sys.executable, "-m", "stenod_server.audio.worker", options.to_argument())
        try:
            answers = AnswerPipe()
        except OSError as exc:
            raise _not_started(exc) from exc
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=answers.writing_end,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT},
                process_group=0,  # a Ctrl-C at the terminal is the server's to handle
            )
        except BaseException as exc:
            answers.close()
            if isinstance(exc, OSError):
                raise _not_started(exc) from exc
            raise
        finally:
            answers.give_away()
        return cls(process, answers, options, stall_timeout_s=stall_timeout_s)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    @property
    def has_crashed(self) -> bool:
        """It died of what it was doing."""
        return -(self._process.returncode or 0) in _CRASHES

    async def begin(self, path: Path, plan: WindowPlan) -> None:
        """Give it a recording. Raises DecoderDied."""
        assert self._process.stdin is not None  # noqa: S101  for mypy: it is a pipe
        self.is_free = False
        self.recordings += 1
        try:
            self._process.stdin.write(messages.encode_request(path, plan))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise await self._died() from exc

    async def next_item(self) -> messages.Item:
        """The next item of the recording; after the summary it is free again.

        Raises UnsupportedMedia, NoAudio, LimitExceeded (mostly it is free again), DecoderDied (it is not).
        """
        kind, length = messages.HEADER.unpack(await self._read(messages.HEADER.size))
        if length > messages.MAX_PAYLOAD_BYTES:
            raise DecoderDied(f"an audio worker sent a frame of {length} bytes")
        payload = await self._read(length)
        self.is_free = kind in {b"S", b"F"}
        try:
            item = messages.decode(kind, payload)
        except messages.MalformedMessage as exc:
            self.is_free = False
            raise DecoderDied(f"an audio worker broke the protocol: {exc}") from exc
        return item

    async def _read(self, size_bytes: int) -> memoryview:
        answer = np.empty(size_bytes, np.uint8).data
        rest = answer
        while rest:
            taken = self._answers.take(rest)
            rest = rest[taken:]
            if self._answers.has_ended:
                raise await self._died()
            if not taken:
                await self._hear()
        return answer.toreadonly()

    async def _hear(self) -> None:
        """Until it says something: as long as it takes, while it works; how much it may is for the kernel to see to."""
        before_s = _cpu_s(self.pid)
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                await self._answers.news()
        except TimeoutError as exc:
            if _cpu_s(self.pid) <= before_s:
                raise DecoderDied(f"an audio worker said nothing for {self._stall_timeout_s:g} s") from exc

    def kill(self) -> None:
        """SIGKILL; `reap` must follow. Idempotent."""
        self.is_free = False
        with suppress(ProcessLookupError):
            self._process.kill()

    async def reap(self) -> None:
        """Wait until nothing is left of it."""
        assert self._process.stdin is not None  # noqa: S101  for mypy: it is a pipe
        self._process.stdin.close()
        await self._process.wait()
        self._answers.close()
        await asyncio.gather(self._listener, return_exceptions=True)

    async def _died(self) -> DecoderDied | LimitExceeded:
        status = await self._process.wait()
        await asyncio.gather(self._listener, return_exceptions=True)
        _log.warning("audio_worker_died", pid=self.pid, status=status, said=list(self._complaints))
        if status == -signal.SIGXCPU:
            return LimitExceeded("media", limit="decode_cpu_s", allowed=self._options.cpu_limit_s)
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return DecoderDied(f"an audio worker {how}")

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  for mypy: it is a pipe
        while chunk := await self._process.stderr.read(4096):
            self._complaints.extend(chunk.decode(errors="replace").splitlines())


def _not_started(error: OSError) -> DecoderDied:
    return DecoderDied(f"an audio worker cannot be started: {error}")


def _cpu_s(pid: int) -> float:
    """The processor time a process has used; 0 where the system does not say. In one call of the system, for it is
    asked with every item.
    """
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    return 0.0


def is_last(item: messages.Item) -> bool:
    return isinstance(item, AudioSummary)
