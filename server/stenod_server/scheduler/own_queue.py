"""The queue of a node on its own: in memory, in order, so that the next job costs one statement.

The store is the queue all the same. A job that is in the one and not in the other costs one claim that fails.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.ordering import FairQueue
from stenod_server.errors import JobNotFound
from stenod_server.scheduler.attempt import Running
from stenod_server.scheduler.job_queue import engines_of, reserve
from stenod_server.scheduler.leases import lease_end
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.slots import Slots

REFILL_JOBS: Final = 1000  # known at a time; the rest stays in the store


class OwnQueue:
    """Everything here is written by the one event loop; what lies between two awaits is atomic. `running` are the jobs
    of this node, by id.
    """

    def __init__(
        self, adapters: Adapters, options: SchedulerOptions, slots: Slots, running: Mapping[str, Running]
    ) -> None:
        self._adapters = adapters
        self._options = options
        self._slots = slots
        self._running = running
        self._waiting = FairQueue(self._weight, max_overtakes=options.max_overtakes)
        self._admitted: deque[Job] = deque()  # hold their reservation already
        self._held_back: dict[str, tuple[float, Job]] = {}  # until when (monotonic), after a passing failure
        self._refill_due = True
        self._is_all_known = False  # of what waited when the store was asked last
        self._asked_s = 0.0

    async def start(self) -> None:
        await self._refill()

    async def refresh(self) -> None:
        self._return_held_back()
        if self._refill_due and self._slots.table.unused:
            await self._refill()

    async def claim(self) -> Sequence[Job] | None:
        """At most one at a time; none where somebody else was quicker, or its owner."""
        job = self._next()
        if job is None:
            return None
        claimed = await self._claim(job)
        return () if claimed is None else (claimed,)

    def offer(self, job: Job, *, reserved: bool) -> None:
        if self._slots.table.max_engines == 0:
            return  # it only accepts; what it would remember nobody would take out again
        if reserved:
            self._admitted.append(job)
        elif not self._is_known(job):  # a refill may have been quicker than the submit's own answer
            self._waiting.add(job)

    def withdraw(self, job_id: str) -> None:
        self._waiting.discard(job_id)
        self._held_back.pop(job_id, None)
        for job in [job for job in self._admitted if job.job_id == job_id]:
            self._admitted.remove(job)
            self._slots.release(job_id)

    def put_back(self, job: Job, *, due_s: float) -> None:
        self._held_back[job.job_id] = (due_s, job)

    def look(self) -> None:
        self._refill_due = True

    def reserve(self, job: Job) -> bool:
        return reserve(self._slots, job, group_most=self._options.limits_of(job.tenant).max_running_engines)

    def within_quota(self, job: Job) -> bool:
        # A job that asks for more than its tenant may ever have runs alone rather than never.
        alone = not self._slots.table.reserved_by(job.tenant)
        return alone or self._engines(job) <= self._quota_left(job.tenant)

    @property
    def waiting_engines(self) -> int:
        held_back = (job for _, job in self._held_back.values())
        by_tenant: Counter[str] = Counter()
        for job in (*self._waiting, *held_back):
            by_tenant[job.tenant] += self._engines(job)
        return sum(min(engines, self._quota_left(tenant)) for tenant, engines in by_tenant.items())

    async def oldest(self) -> datetime | None:
        """Asks the store only where this node knows of none."""
        held_back = [job for _, job in self._held_back.values()]
        known = [*self._waiting, *held_back, *self._admitted]
        jobs = known or await self._adapters.store.queued(now=self._adapters.clock.now(), limit=REFILL_JOBS)
        return min((job.create_time for job in jobs), default=None)

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
        if not self._waiting and not (self._is_all_known and self._has_just_asked()):
            self._refill_due = True  # there may be more than were known
        return job

    def _take(self) -> Job | None:
        while True:
            job = self._waiting.take(lambda job: self._engines(job) <= self._slots.table.unused, self.within_quota)
            if job is None or self._adapters.engine.is_ready(job.config.model):
                return job
            # Its recogniser is away, and others are not: it lets those pass that can be worked on.
            self._held_back[job.job_id] = (self._adapters.clock.monotonic_s() + self._options.poll_s, job)

    async def _claim(self, job: Job) -> Job | None:
        now = self._adapters.clock.now()
        try:
            until = lease_end(self._adapters.clock, self._options)
            claimed = await self._adapters.store.claim(job.job_id, node=self._options.node, now=now, lease_until=until)
            claimed = claimed or await self._claimed_before(job)
        except BaseException:
            self._slots.release(job.job_id)
            self._waiting.add(job)
            raise
        if claimed is None:  # cancelled, deleted, or another node was quicker
            self._slots.release(job.job_id)
        return claimed

    async def _claimed_before(self, job: Job) -> Job | None:
        """The job where it is ours already: the store took our claim, and its answer was lost."""
        try:
            now = await self._adapters.store.get(job.tenant, job.job_id)
        except JobNotFound:
            return None
        ours = now.state is JobState.RUNNING and now.node == self._options.node and job.job_id not in self._running
        return now if ours else None

    def _return_held_back(self) -> None:
        now_s = self._adapters.clock.monotonic_s()
        for job_id, (due_s, job) in list(self._held_back.items()):
            if due_s <= now_s:
                del self._held_back[job_id]
                self._waiting.add(job)

    async def _refill(self) -> None:
        self._refill_due = False
        self._asked_s = self._adapters.clock.monotonic_s()
        found = await self._adapters.store.queued(now=self._adapters.clock.now(), limit=REFILL_JOBS)
        self._is_all_known = len(found) < REFILL_JOBS
        for job in found:
            if not self._is_known(job):
                self._waiting.add(job)

    def _has_just_asked(self) -> bool:
        """Jobs that are submitted here are known; those that nobody has told of need not wait long."""
        return self._adapters.clock.monotonic_s() - self._asked_s < self._options.poll_s

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
        return engines_of(self._slots, job)
