"""Claims queued jobs while engines are free and the recogniser is ready, and runs an executor for each.

One loop, woken by events: a job came, one ended, its backoff is over; and every `poll_s` for what nobody announces: the
recogniser became ready, another node submitted or died. It never claims more than it has engines for: a job that is
claimed early is one that no other node can take.

`_waiting` is what this node knows of the queue; the store is the queue. A job that is in the one and not in the other
costs one claim that fails.
"""

import asyncio
import uuid
from collections import Counter, deque
from datetime import datetime
from typing import Final

import structlog

from stenod_server.domain.capacity import SpeedMeter
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.ordering import FairQueue
from stenod_server.errors import JobNotFound, StoreUnavailable
from stenod_server.scheduler.attempt import Ended, Running
from stenod_server.scheduler.executor import Executor
from stenod_server.scheduler.leases import Leases, lease_end
from stenod_server.scheduler.observer import Observer
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.recorder import StopReason
from stenod_server.scheduler.slots import Slots
from stenod_server.scheduler.updates import JobUpdates

REFILL_JOBS: Final = 1000  # known at a time; the rest stays in the store

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
        self._adapters = adapters
        self._options = options
        self._executor = executor
        self._slots = slots
        self._updates = updates
        self._observer = observer
        self._waiting = FairQueue(self._weight, max_overtakes=options.max_overtakes)
        self._admitted: deque[Job] = deque()  # hold their reservation already
        self._held_back: dict[str, tuple[float, Job]] = {}  # until when (monotonic), after a passing failure
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[Ended]] = {}
        self._interactive: set[str] = set()  # somebody waits at the line; forgotten on restart, like the line itself
        self._claiming = ""  # the job whose claim is under way, and what was asked of it meanwhile
        self._early_stop: StopReason | None = None
        self._wakeup = asyncio.Event()
        self._refill_due = True
        self._loop_task: asyncio.Task[None] | None = None
        self._leases = Leases(
            adapters.store, adapters.clock, options, running=self._running, on_change=self._changed_elsewhere
        )
        self._leases_task: asyncio.Task[None] | None = None

    # --- what others ask ----------------------------------------------------------------------------------------

    @property
    def running(self) -> dict[str, Running]:
        return self._running

    @property
    def waiting_engines(self) -> int:
        """Engines that known jobs wait for which nobody has promised them yet, and their tenants may have."""
        held_back = (job for _, job in self._held_back.values())
        by_tenant: Counter[str] = Counter()
        for job in (*self._waiting, *held_back):
            by_tenant[job.tenant] += self._engines(job)
        return sum(min(engines, self._quota_left(tenant)) for tenant, engines in by_tenant.items())

    async def start(self) -> None:
        """Put back what this node ran before it was restarted, then dispatch. Raises StoreUnavailable."""
        await self._leases.take_back()
        await self._refill()
        self._leases_task = asyncio.create_task(self._leases.run(), name="leases")
        self._loop_task = asyncio.create_task(self._run(), name="dispatcher")

    def expect(self, job_id: str) -> None:
        """A job is about to be stored for which somebody waits at the line."""
        self._interactive.add(job_id)

    def offer(self, job: Job, *, reserved: bool) -> None:
        """A job was stored. `reserved`: admission holds engines for it, and hands them over with it."""
        if self._slots.table.max_engines == 0:
            return  # it only accepts; what it would remember nobody would take out again
        if reserved:
            self._admitted.append(job)
        elif not self._is_known(job):  # a refill may have been quicker than the submit's own answer
            self._waiting.add(job)
        self.wake()

    def withdraw(self, job_id: str) -> None:
        """A queued job ended or is gone."""
        self._waiting.discard(job_id)
        self._held_back.pop(job_id, None)
        self._interactive.discard(job_id)
        for job in [job for job in self._admitted if job.job_id == job_id]:
            self._admitted.remove(job)
            self._slots.release(job_id)
        self.wake()

    def request_stop(self, job_id: str, reason: StopReason) -> None:
        """Stop a job if it runs here; it takes effect at once, whatever windows are in flight."""
        if running := self._running.get(job_id):
            running.request_stop(reason)
        elif job_id == self._claiming:
            self._early_stop = reason

    async def ended(self, job_id: str) -> None:
        """Wait until this node has stopped running a job."""
        if task := self._tasks.get(job_id):
            await asyncio.wait({task})

    def wake(self) -> None:
        self._wakeup.set()

    async def oldest_waiting(self) -> datetime | None:
        """When the oldest waiting job was submitted; asks the store only where this node knows of none."""
        held_back = [job for _, job in self._held_back.values()]
        known = [*self._waiting, *held_back, *self._admitted]
        jobs = known or await self._adapters.store.queued(now=self._adapters.clock.now(), limit=REFILL_JOBS)
        return min((job.create_time for job in jobs), default=None)

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
        for running in self._running.values():
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
            self._refill_due = True

    async def _dispatch(self) -> None:
        self._return_held_back()
        if self._slots.table.max_engines == 0 or not self._adapters.engine.is_ready():
            return
        if self._refill_due and self._slots.table.unused:
            await self._refill()
        while not self.draining and (job := self._next()) is not None:
            await self._claim(job)

    def _next(self) -> Job | None:
        """The next job, with its engines reserved."""
        if self._admitted:
            return self._admitted.popleft()
        if not self._slots.table.unused:
            return None
        job = self._take()
        if job is None:
            return None
        self.reserve(job)
        if not self._waiting:
            self._refill_due = True  # there may be more than were known
        return job

    def _take(self) -> Job | None:
        while True:
            job = self._waiting.take(lambda job: self._engines(job) <= self._slots.table.unused, self.within_quota)
            if job is None or self._adapters.engine.is_ready(job.config.model):
                return job
            # Its recogniser is away, and others are not: it lets those pass that can be worked on.
            self._held_back[job.job_id] = (self._adapters.clock.monotonic_s() + self._options.poll_s, job)

    async def _claim(self, job: Job) -> None:
        now = self._adapters.clock.now()
        self._claiming, self._early_stop = job.job_id, None
        try:
            until = lease_end(self._adapters.clock, self._options)
            claimed = await self._adapters.store.claim(job.job_id, node=self._options.node, now=now, lease_until=until)
            claimed = claimed or await self._claimed_before(job)
        except BaseException:
            self._slots.release(job.job_id)
            self._waiting.add(job)
            raise
        finally:
            self._claiming = ""
        if claimed is None:  # cancelled, deleted, or another node was quicker
            self._slots.release(job.job_id)
            self._interactive.discard(job.job_id)
            return
        waited_s = (now - claimed.create_time).total_seconds()
        _log.info("job_claimed", job_id=job.job_id, attempt=claimed.attempt, waited_s=round(waited_s, 3))
        self._observer.claimed(claimed, waited_s=waited_s)
        self._updates.publish(claimed)
        self._start(claimed)

    async def _claimed_before(self, job: Job) -> Job | None:
        """The job where it is ours already: the store took our claim, and its answer was lost."""
        try:
            now = await self._adapters.store.get(job.tenant, job.job_id)
        except JobNotFound:
            return None
        ours = now.state is JobState.RUNNING and now.node == self._options.node and job.job_id not in self._running
        return now if ours else None

    def _start(self, job: Job) -> None:
        self.speed.started(self._adapters.clock.monotonic_s())
        running = Running(job, interactive=job.job_id in self._interactive)
        if self._early_stop is not None:
            running.request_stop(self._early_stop)
        task = asyncio.create_task(self._executor.run(running), name=f"executor-{job.job_id}")
        self._running[job.job_id] = running
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda task: self._on_ended(running, task))

    def _on_ended(self, running: Running, task: asyncio.Task[Ended]) -> None:
        job_id = running.job.job_id
        del self._running[job_id], self._tasks[job_id]
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
            self._held_back[job.job_id] = (now_s + (ended.retry_in_s or 0.0), job)
            return
        if job is None:
            return
        self._interactive.discard(job.job_id)
        if job.info is None or job.info.from_cache:
            return  # says nothing of how fast recordings are transcribed
        if job.start_time is not None and job.end_time is not None:
            run_s = (job.end_time - job.start_time).total_seconds()
            self.speed.finished(audio_s=job.info.duration_s, run_s=run_s)

    def _return_held_back(self) -> None:
        now_s = self._adapters.clock.monotonic_s()
        for job_id, (due_s, job) in list(self._held_back.items()):
            if due_s <= now_s:
                del self._held_back[job_id]
                self._waiting.add(job)

    async def _refill(self) -> None:
        self._refill_due = False
        for job in await self._adapters.store.queued(now=self._adapters.clock.now(), limit=REFILL_JOBS):
            if not self._is_known(job):
                self._waiting.add(job)

    def _changed_elsewhere(self, job: Job) -> None:
        """A job was taken back from a node that is gone, or has ended while it waited."""
        self._updates.publish(job)
        if job.state is JobState.QUEUED:
            self._observer.released(job, reason="rescue")
        else:
            self._observer.ended(job, run_s=0.0)
            self.withdraw(job.job_id)
        self._refill_due = True
        self.wake()

    def reserve(self, job: Job) -> bool:
        """Promise the job its engines, if they are free."""
        return self._slots.reserve(
            job.job_id,
            self._engines(job),
            most=job.config.max_parallel_engines,
            group=job.tenant,
            group_most=self._options.limits_of(job.tenant).max_running_engines,
        )

    def within_quota(self, job: Job) -> bool:
        """Whether the engines it asks for are left of what its tenant may reserve."""
        # A job that asks for more than its tenant may ever have runs alone rather than never.
        alone = not self._slots.table.reserved_by(job.tenant)
        return alone or self._engines(job) <= self._quota_left(job.tenant)

    def _quota_left(self, tenant: str) -> int:
        allowed = self._options.limits_of(tenant).max_running_engines or self._slots.table.max_engines
        return max(0, allowed - self._slots.table.reserved_by(tenant))

    def _weight(self, tenant: str) -> float:
        return self._options.limits_of(tenant).weight

    def _is_known(self, job: Job) -> bool:
        """Whether it runs, waits for its next attempt, or has its reservation: being stored, handed over or claimed."""
        job_id = job.job_id
        return job_id in self._running or job_id in self._held_back or self._slots.table.is_open(job_id)

    def _engines(self, job: Job) -> int:
        # A job accepted when the node was larger runs with what there is now rather than never.
        return max(1, min(job.config.parallel_engines, self._slots.table.max_engines))
