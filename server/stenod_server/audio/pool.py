"""The audio front end of the server: a bounded set of worker processes that are leased, reused, killed and replaced."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from stenod_server.audio.messages import Item, WorkerOptions
from stenod_server.audio.process import WorkerProcess, is_last
from stenod_server.errors import DecoderDied, StenodError, UnsupportedMedia
from stenod_server.ports import WindowPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPoolSettings:
    """`vad_path` is Silero's sequence graph (`<models_dir>/silero-vad/1/silero_vad_sequence.onnx`).

    A worker holds a recording until its last item is read, so `max_workers` bounds the recordings in decoding.
    """

    vad_path: Path
    max_workers: int = 2
    min_idle_workers: int = 1
    patience_s: float = 0.25  # in which none comes back to anybody before another one is started: half a second's work
    idle_exit_s: float = 60.0
    recordings_per_worker: int = 2000  # a new one costs as much as decoding sixty short ones
    stall_timeout_s: float = 120.0  # the longest a worker may neither say anything nor work while it is read from
    nice: int = 0  # 20: it runs only where nobody else wants to
    memory_limit_bytes: int = 0  # RLIMIT_AS of a worker; 0 = none. Idle it has mapped some 250 MiB
    cpu_limit_s: float = 1800.0  # of processor time for one recording


class _Recording:
    """The items of one recording, read from the worker that has it; behind the last one others may have it (`lease`),
    for what is cut may be long in being recognised.
    """

    def __init__(self, worker: WorkerProcess, lease: ExitStack, crashes_again: Callable[[], Awaitable[bool]]) -> None:
        self._worker = worker
        self._lease = lease
        self._crashes_again = crashes_again
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._is_over:
            raise StopAsyncIteration
        try:
            item = await self._worker.next_item()
        except DecoderDied as error:
            self._is_over = True
            if self._worker.has_crashed and await self._crashes_again():
                raise UnsupportedMedia("not an audio or video file we can read: the decoder crashes over it") from error
            raise
        except BaseException:  # whatever it was, there is nothing more to come
            self._is_over = True
            raise
        if is_last(item):
            self._is_over = True
            self._lease.close()
        return item


class AudioWorkerPool:
    """Implements `ports.AudioFrontEnd`. Starts no process before `start` or the first recording."""

    def __init__(self, settings: AudioPoolSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_workers)
        self._idle: list[WorkerProcess] = []  # the one used last is taken first, so that the others can go
        self._leased: set[WorkerProcess] = set()
        self._exits: dict[WorkerProcess, asyncio.TimerHandle] = {}
        self._waiting: deque[asyncio.Future[WorkerProcess]] = deque()
        self._came_back_s = 0.0  # when a worker last went from one recording to the next
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Start the workers that are always there, so that the first recording need not wait. Raises DecoderDied."""
        while len(self._idle) + len(self._leased) < self._wanted_idle():
            self._park(await self._spawn())

    @asynccontextmanager
    async def windows(self, path: Path, plan: WindowPlan) -> AsyncIterator[AsyncIterator[Item]]:
        """See `ports.AudioFrontEnd.windows`. Waits for a worker, in order of arrival."""
        await self._slots.acquire()
        with ExitStack() as lease:
            lease.callback(self._slots.release)
            worker = await self._lease()
            lease.callback(self._give_back, worker)
            await worker.begin(path, plan)
            yield _Recording(worker, lease, partial(self._crashes, path, plan))

    async def _crashes(self, path: Path, plan: WindowPlan) -> bool:
        """Whether a fresh worker dies of the same recording; where not, the first one died of something else."""
        worker = await self._spawn()
        self._leased.add(worker)
        try:
            await worker.begin(path, plan)
            while not is_last(await worker.next_item()):
                pass
        except StenodError:
            return worker.has_crashed
        finally:
            self._give_back(worker)
        return False

    async def close(self) -> None:
        """Kill every worker. Recordings in work end with DecoderDied. Idempotent."""
        self._is_closed = True
        for worker in (*self._idle, *self._leased):
            self._discard(worker)
        self._idle.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The processes of now, idle ones first."""
        return tuple(worker.pid for worker in (*self._idle, *self._leased))

    def _wanted_idle(self) -> int:
        return min(self._settings.min_idle_workers, self._settings.max_workers)

    async def _lease(self) -> WorkerProcess:
        worker = self._take_idle() or await self._wait_for_one() or await self._spawn()
        self._leased.add(worker)
        return worker

    def _take_idle(self) -> WorkerProcess | None:
        while self._idle:
            worker = self._idle.pop()
            self._keep(worker)
            if worker.is_alive:
                return worker
            self._discard(worker)  # killed while it waited, by somebody else or for want of memory
        return None

    async def _wait_for_one(self) -> WorkerProcess | None:
        """Short recordings are decoded in less time than a process takes to start: while those in line are served, one
        more would only take from the others.
        """
        if len(self._leased) < max(1, self._wanted_idle()):
            return None
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[WorkerProcess] = loop.create_future()
        self._waiting.append(waiter)
        until_s = loop.time() + self._settings.patience_s
        try:
            while not waiter.done() and (left_s := until_s - loop.time()) > 0:
                await asyncio.wait({waiter}, timeout=left_s)
                until_s = max(until_s, self._came_back_s + self._settings.patience_s)
        except asyncio.CancelledError:
            if waiter.done():  # handed over in the same turn: somebody else may have it
                self._give_back(waiter.result())
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        return waiter.result() if waiter.done() else None

    async def _spawn(self) -> WorkerProcess:
        if self._is_closed:
            raise DecoderDied("the audio workers are stopped")
        options = WorkerOptions(
            vad_path=str(self._settings.vad_path),
            parent_pid=os.getpid(),
            nice=self._settings.nice,
            memory_limit_bytes=self._settings.memory_limit_bytes,
            cpu_limit_s=self._settings.cpu_limit_s,
        )
        return await WorkerProcess.spawn(options, stall_timeout_s=self._settings.stall_timeout_s)

    def _give_back(self, worker: WorkerProcess) -> None:
        self._leased.discard(worker)
        is_worn = worker.recordings >= self._settings.recordings_per_worker
        if worker.is_free and worker.is_alive and not is_worn and not self._is_closed:
            self._pass_on(worker)
            return
        self._discard(worker)
        if not self._is_closed:
            self._in_background(self._replace())

    def _pass_on(self, worker: WorkerProcess) -> None:
        if not self._waiting:
            self._park(worker)
            return
        self._came_back_s = asyncio.get_running_loop().time()
        self._leased.add(worker)  # at once, so that `close` finds it
        self._waiting.popleft().set_result(worker)

    def _park(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        loop = asyncio.get_running_loop()
        self._exits[worker] = loop.call_later(self._settings.idle_exit_s, self._retire, worker)

    def _keep(self, worker: WorkerProcess) -> None:
        self._exits.pop(worker).cancel()

    def _retire(self, worker: WorkerProcess) -> None:
        if len(self._idle) > self._wanted_idle():
            self._idle.remove(worker)
            self._discard(worker)

    def _discard(self, worker: WorkerProcess) -> None:
        if worker in self._exits:
            self._keep(worker)
        worker.kill()
        self._in_background(worker.reap())

    async def _replace(self) -> None:
        with suppress(DecoderDied):  # the next recording says so, to somebody who can act on it
            if len(self._idle) + len(self._leased) < self._wanted_idle():
                worker = await self._spawn()
                self._discard(worker) if self._is_closed else self._park(worker)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
