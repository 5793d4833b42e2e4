"""Claims queued jobs while engines are free and the recogniser is ready, and runs an executor for each.

One loop, woken by events: a job came, one ended, its backoff is over; and every `poll_s` for what nobody announces: the
recogniser became ready, another node submitted or died. It never claims more than it has engines for: a job that is
claimed early is one that no other node can take. Where the jobs come from is the queue's to know (`job_queue`).
"""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final

import structlog

from stenod_server.domain.capacity import SpeedMeter
from stenod_server.domain.job import Job, JobState
from stenod_server.errors import StoreUnavailable
from stenod_server.scheduler.attempt import Ended, Running
from stenod_server.scheduler.executor import Executor
from stenod_server.scheduler.job_queue import JobQueue
from stenod_server.scheduler.leases import Leases
from stenod_server.scheduler.observer import Observer
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.recorder import StopReason
from stenod_server.scheduler.slots import Slots
from stenod_server.scheduler.updates import JobUpdates

_log = structlog.get_logger()


class Dispatcher:
    """Everything here is written by the one event loop; what lies between two awaits is atomic."""

    def __init__(
        self,
        adapters: Adapters,
        options: SchedulerOptions,
        executor: Executor,
        *,
        slots: Slots,
        updates: JobUpdates,
        observer: Observer,
    ) -> None:
        self.speed: Final = SpeedMeter()
        self.draining = False
        self.running: Final[dict[str, Running]] = {}
        self.queue: JobQueue  # set before `start`: it knows what runs here
        self._adapters = adapters
        self._options = options
        self._executor = executor
        self._slots = slots
        self._updates = updates
        self._observer = observer
        self._tasks: dict[str, asyncio.Task[Ended]] = {}
        self._claiming = False
        self._early_stops: dict[str, StopReason] = {}  # of jobs that are not known here, while a claim is under way
        self._wakeup = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._leases = Leases(
            adapters.store, adapters.clock, options, running=self.running, on_change=self._changed_elsewhere
        )
        self._leases_task: asyncio.Task[None] | None = None

    # --- what others ask ----------------------------------------------------------------------------------------

    @property
    def waiting_engines(self) -> int:
        return self.queue.waiting_engines

    async def start(self) -> None:
        """Put back what this node ran before it was restarted, then dispatch. Raises StoreUnavailable."""
        await self._leases.take_back()
        await self.queue.start()
        self._leases_task = asyncio.create_task(self._leases.run(), name="leases")
        self._loop_task = asyncio.create_task(self._run(), name="dispatcher")

    def offer(self, job: Job, *, reserved: bool) -> None:
        """A job was stored. `reserved`: admission holds engines for it, and hands them over with it."""
        self.queue.offer(job, reserved=reserved)
        self.wake()

    def withdraw(self, job_id: str) -> None:
        """A queued job ended or is gone."""
        self.queue.withdraw(job_id)
        self.wake()

    def request_stop(self, job_id: str, reason: StopReason) -> None:
        """Stop a job if it runs here; it takes effect at once, whatever windows are in flight."""
        if running := self.running.get(job_id):
            running.request_stop(reason)
        elif self._claiming:
            self._early_stops[job_id] = reason

    async def ended(self, job_id: str) -> None:
        """Wait until this node has stopped running a job."""
        if task := self._tasks.get(job_id):
            await asyncio.wait({task})

    def wake(self) -> None:
        self._wakeup.set()

    def look(self) -> None:
        """There may be jobs in the store that nobody here was told of."""
        self.queue.look()
        self.wake()

    async def drain(self, grace_s: float, patience_s: float = 10.0) -> None:
        """Claim nothing more, let what runs finish for `grace_s`, hand back the rest. May be called again.

        A job whose end cannot be stored within `patience_s` stays RUNNING in the store, for `rescue`.
        """
        self.draining = True
        self.wake()
        if self._loop_task is not None:
            # Not cancelled: a claim under way must be seen through, or its job would be nobody's.
            await asyncio.wait({self._loop_task})
        if self._tasks and grace_s > 0:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        for running in self.running.values():
            running.request_stop(StopReason.HAND_BACK)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=patience_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self._leases_task is not None:  # until then, what runs is still held
            self._leases_task.cancel()
            await asyncio.wait({self._leases_task})

    # --- the loop -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """A supervisor: a fault of one round must not end the service."""
        while not self.draining:
            self._wakeup.clear()
            try:
                await self._dispatch()
            except StoreUnavailable as error:
                _log.warning("dispatch_waits_for_store", error=str(error))
            except Exception:  # noqa: BLE001  the supervisor of the rounds
                _log.exception("dispatch_broke", error_id=uuid.uuid4().hex[:12])
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._options.poll_s):
                await self._wakeup.wait()
        except TimeoutError:
            self.queue.look()

    async def _dispatch(self) -> None:
        if self._slots.table.max_engines == 0 or not self._adapters.engine.is_ready():
            return
        await self.queue.refresh()
        while not self.draining and (claimed := await self._claim()) is not None:
            for job in claimed:
                self._claimed(job)

    async def _claim(self) -> Sequence[Job] | None:
        self._claiming = True
        self._early_stops.clear()
        try:
            return await self.queue.claim()
        finally:
            self._claiming = False

    def _claimed(self, job: Job) -> None:
        waited_s = ((job.start_time or job.create_time) - job.create_time).total_seconds()
        _log.info("job_claimed", job_id=job.job_id, attempt=job.attempt, waited_s=round(waited_s, 3))
        self._observer.claimed(job, waited_s=waited_s)
        self._updates.publish(job)
        self._start(job)

    def _start(self, job: Job) -> None:
        self.speed.started(self._adapters.clock.monotonic_s())
        running = Running(job)
        if job.job_id in self._early_stops:
            running.request_stop(self._early_stops[job.job_id])
        task = asyncio.create_task(self._executor.run(running), name=f"executor-{job.job_id}")
        self.running[job.job_id] = running
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda task: self._on_ended(running, task))

    def _on_ended(self, running: Running, task: asyncio.Task[Ended]) -> None:
        job_id = running.job.job_id
        del self.running[job_id], self._tasks[job_id]
        if self._slots.table.is_open(job_id):  # the task was cancelled before its first step
            self._slots.release(job_id)
        now_s = self._adapters.clock.monotonic_s()
        self.speed.ended(now_s)
        if task.cancelled():
            pass
        elif error := task.exception():
            _log.error("executor_broke", job_id=job_id, error_id=uuid.uuid4().hex[:12], exc_info=error)
        else:
            self._settled(task.result(), now_s)
        self.wake()

    def _settled(self, ended: Ended, now_s: float) -> None:
        job = ended.job
        if job is not None and job.state is JobState.QUEUED:
            self.queue.put_back(job, due_s=now_s + (ended.retry_in_s or 0.0))
            return
        if job is None or job.info is None or job.info.from_cache:
            return  # says nothing of how fast recordings are transcribed
        if job.start_time is not None and job.end_time is not None:
            run_s = (job.end_time - job.start_time).total_seconds()
            self.speed.finished(audio_s=job.info.duration_s, run_s=run_s)

    def _changed_elsewhere(self, job: Job) -> None:
        """A job was taken back from a node that is gone, or has ended while it waited."""
        self._updates.publish(job)
        if job.state is JobState.QUEUED:
            self._observer.released(job, reason="rescue")
        else:
            self._observer.ended(job, run_s=0.0)
            self.withdraw(job.job_id)
        self.look()
