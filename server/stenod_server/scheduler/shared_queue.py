"""The queue of nodes that share a database: it is there and nowhere else, for what one remembers, others have taken."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from stenod_server.domain.job import Job
from stenod_server.errors import EngineUnavailable
from stenod_server.ports import Clock
from stenod_server.ports.cluster import ClaimRequest, ClaimStore
from stenod_server.scheduler.attempt import Running
from stenod_server.scheduler.job_queue import reserve
from stenod_server.scheduler.leases import lease_end
from stenod_server.scheduler.nodes import Nodes
from stenod_server.scheduler.options import SchedulerOptions
from stenod_server.scheduler.routing import Router
from stenod_server.scheduler.slots import Slots

MAX_CLAIM: Final = 32  # jobs in one claim: the first of them waits for the last
EMPTY_PAUSE_S: Final = 0.02  # after a claim that found nothing: a signal wakes every node, and one job is for one

_log = structlog.get_logger()


@dataclass(kw_only=True)
class SharedQueue:
    """The queue of all nodes. `router` says what this one can run; `running` are its jobs, by id."""

    clock: Clock
    store: ClaimStore
    options: SchedulerOptions
    slots: Slots
    running: Mapping[str, Running]
    nodes: Nodes
    router: Router
    _chance: random.Random = field(default_factory=random.Random)  # jitter is no secret
    _lost_answer: bool = False

    async def start(self) -> None:
        """Nothing is remembered, so nothing is to be read."""

    async def refresh(self) -> None:
        """Every claim looks anew."""

    async def claim(self) -> Sequence[Job] | None:
        free = self.slots.table.unused
        if not free:
            return None
        try:
            profiles = await self.router.recent_profiles()
        except EngineUnavailable:
            return None
        if self._lost_answer and (found := await self._claimed_before()):
            return found
        request = ClaimRequest(
            node=self.options.node,
            free_engines=free,
            max_engines=self.slots.table.max_engines,
            largest_engines=max(self.slots.table.max_engines, self.nodes.largest_engines),
            models=profiles.keys(),
            busy_with=frozenset(self.slots.table.holdings) | self.running.keys(),
            can_run=self.router.can_run,
            limits_of=self.options.limits_of,
            max_overtakes=self.options.max_overtakes,
            now=self.clock.now(),
            lease_until=lease_end(self.clock, self.options),
            limit=min(free, MAX_CLAIM),
        )
        self._lost_answer = True
        claims = await self.store.claim_next(request)
        self._lost_answer = False
        for job in claims.jobs:
            self.reserve(job)
        if claims.jobs:
            return claims.jobs
        # A little later, and not all nodes at once: whoever was woken for a job that another one has does not ask on.
        await asyncio.sleep(self._chance.uniform(EMPTY_PAUSE_S / 2, EMPTY_PAUSE_S))
        return () if claims.ask_again else None

    def offer(self, job: Job, *, reserved: bool) -> None:
        """The store has it."""

    def withdraw(self, job_id: str) -> None:
        """The store knows."""

    def put_back(self, job: Job, *, due_s: float) -> None:
        """The store has it, and until when it waits."""

    def look(self) -> None:
        """It always does."""

    def reserve(self, job: Job) -> bool:
        """To a tenant that may not have all engines nothing is lent: what others lend it at the same time is not known
        here, and together it could be more than it may have.
        """
        limited = self.options.limits_of(job.tenant).max_running_engines > 0
        return reserve(self.slots, job, group_most=1 if limited else 0)

    def within_quota(self, job: Job) -> bool:
        """The store counts for all nodes."""
        del job
        return True

    @property
    def waiting_engines(self) -> int:
        """The store knows."""
        return 0

    async def oldest(self) -> datetime | None:
        return (await self.store.load(now=self.clock.now(), limits_of=self.options.limits_of)).oldest_queued

    async def _claimed_before(self) -> Sequence[Job]:
        """Jobs that are ours already: the store took our claim, and its answer was lost. What it takes later still is
        rescued when the lease ends.
        """
        found = await self.store.running_on(self.options.node)
        self._lost_answer = False
        known = frozenset(self.slots.table.holdings) | self.running.keys()
        held = [job for job in found if job.job_id not in known and self.reserve(job)]
        if held:
            _log.warning("claims_found_again", jobs=len(held))
        return held
