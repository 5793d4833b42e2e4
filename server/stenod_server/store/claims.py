"""How the nodes of a cluster share the waiting jobs: blocking functions of a connection, each a transaction of its
caller's. What they promise stands in `ports.ClaimStore`.

Nobody waits for anybody: jobs and tenants that another node is at are left to it. Two nodes that ask in the same moment
may both serve the tenant whose turn it is, for neither sees the other's claim yet; the next claim makes up for it.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import sqlalchemy as sa

from stenod_server.domain.job import Job, JobEvent
from stenod_server.errors import EnginesExhausted, QuotaExceeded
from stenod_server.ports.cluster import ClaimRequest, Claims, PlaceRequest
from stenod_server.store import cluster_queries, locks, runs
from stenod_server.store.cluster_queries import WaitingJob, WaitingTenant
from stenod_server.store.tables import jobs
from stenod_server.store.transition import move_all

ADMISSION: Final = "admission"  # a lock: shared by all who claim, held by whoever accepts a job that must start at once
PROMISE: Final = timedelta(seconds=30)  # how long engines are kept for a job unless that is said again


def claim_next(connection: sa.Connection, request: ClaimRequest) -> Claims:
    tenants = cluster_queries.waiting_tenants(connection, locks.sharing(connection, ADMISSION))
    if not tenants:
        return Claims(ask_again=tenants is None)
    round_ = _Round(connection, request)
    round_.take(tenants)
    return Claims(round_.claim(), ask_again=round_.ask_again)


def promise(connection: sa.Connection, job: Job, request: PlaceRequest) -> Mapping[str, Any]:
    """Find the node for a job that must start at once; gives what its row says of that. While this transaction lasts
    nobody claims, and nobody else is promised anything. Raises EnginesExhausted, QuotaExceeded.
    """
    locks.hold(connection, ADMISSION)
    load = cluster_queries.load(connection, now=request.now, limits_of=request.limits_of)
    asked = job.config.parallel_engines
    node = load.place(asked, request.workers)
    allowed = request.limits_of(job.tenant).max_running_engines
    used = cluster_queries.engines_of(connection, job.tenant, now=request.now) if allowed else 0
    if used > 0 and used + asked > allowed:
        raise QuotaExceeded("max_running_engines", allowed=allowed, retry_after_s=EnginesExhausted.retry_after_s)
    return {"promised_to": node, "promised_until": request.until}


class _Turn(Enum):
    """What became of a tenant's turn."""

    SERVED = auto()
    NOTHING = auto()  # that may run, or that this node can
    KEPT = auto()  # for a job that was overtaken enough: nothing else starts here before it


@dataclass(frozen=True, slots=True)
class _Line:
    """A tenant's waiting jobs, and its place among the others."""

    tenant: str
    oldest: datetime
    jobs: Iterator[WaitingJob]


class _Round:
    """One claim. First what this node has promised, then what is next in fair order, while there are engines."""

    def __init__(self, connection: sa.Connection, request: ClaimRequest) -> None:
        self.ask_again = False
        self._connection = connection
        self._request = request
        self._free = request.free_engines
        self._taken: list[str] = []
        self._passed_over: list[str] = []
        self._overtakes: Counter[str] = Counter()
        self._used: dict[str, int | None] = {}  # of tenants that may not have all: engines; None: another counts them

    def take(self, tenants: Sequence[WaitingTenant]) -> None:
        if self._take_promised():
            self._take_in_turn(tenants)
        for job_id, overtakes in self._overtakes.items():
            self._set(job_id, overtakes=jobs.c.overtakes + overtakes)

    def claim(self) -> list[Job]:
        request = self._request
        if not self._taken:
            return []
        claimed = move_all(
            self._connection,
            self._taken,
            JobEvent.CLAIM,
            now=request.now,
            node=request.node,
            start_time=request.now,
            counting=("attempt", "lease_token"),
            lease_expire_time=request.lease_until,
            not_before=None,
            promised_to="",
            promised_until=None,
        )
        by_id = {job.job_id: runs.begun(self._connection, job) for job in claimed}
        return [by_id[job_id] for job_id in self._taken if job_id in by_id]

    def _take_promised(self) -> bool:
        """Whether what is left is anybody's."""
        request, is_kept = self._request, False
        for job in cluster_queries.promised_to(self._connection, request.node, now=request.now):
            if not self._can_run(job) or not self._may_run(job, is_promised=True):
                continue
            if self._engines(job) <= self._free:
                self._take(job, is_promised=True)
            else:
                is_kept = True
                self._promise(job)
        return not is_kept

    def _take_in_turn(self, tenants: Sequence[WaitingTenant]) -> None:
        weight = {}
        turns = []
        page = -(-min(self._free, self._request.limit) // len(tenants))
        for tenant in tenants:
            weight[tenant.name] = self._request.limits_of(tenant.name).weight
            line = _Line(tenant.name, tenant.oldest, self._line_of(tenant.name, page))
            turns.append((tenant.engines / weight[tenant.name], line.oldest, line.tenant, line))
        heapq.heapify(turns)
        while turns and self._may_take_more():
            share, _, _, line = heapq.heappop(turns)
            before = self._free
            turn = self._serve(line)
            if turn is _Turn.KEPT:
                return
            if turn is _Turn.SERVED:
                share += (before - self._free) / weight[line.tenant]
                heapq.heappush(turns, (share, line.oldest, line.tenant, line))

    def _may_take_more(self) -> bool:
        return self._free > 0 and len(self._taken) < self._request.limit

    def _line_of(self, tenant: str, page: int) -> Iterator[WaitingJob]:
        request = self._request
        return cluster_queries.line_of(
            self._connection, tenant, models=sorted(request.models), now=request.now, page=page
        )

    def _serve(self, line: _Line) -> _Turn:
        for job in line.jobs:
            engines = self._engines(job)
            if job.job_id in self._taken or engines > self._request.max_engines or not self._can_run(job):
                continue
            is_promised = self._is_promised(job)
            if not self._may_run(job, is_promised=is_promised):
                return _Turn.NOTHING
            if engines <= self._free:
                self._take(job, is_promised=is_promised)
                return _Turn.SERVED
            if is_promised:
                continue  # another node sees to it
            if job.overtakes + self._overtakes[job.job_id] >= self._request.max_overtakes:
                self._promise(job)
                return _Turn.KEPT
            self._passed_over.append(job.job_id)
        return _Turn.NOTHING

    def _take(self, job: WaitingJob, *, is_promised: bool) -> None:
        self._taken.append(job.job_id)
        self._free -= self._engines(job)
        self._overtakes.update(self._passed_over)
        used = self._used.get(job.tenant)
        if used is not None and not is_promised:
            self._used[job.tenant] = used + job.engines

    def _promise(self, job: WaitingJob) -> None:
        """Keep engines for it, a while longer."""
        node, now = self._request.node, self._request.now
        if job.promised_to != node or (job.promised_until or now) - now < PROMISE / 2:
            self._set(job.job_id, promised_to=node, promised_until=now + PROMISE)

    def _can_run(self, job: WaitingJob) -> bool:
        return job.job_id not in self._request.busy_with and self._request.can_run(job.config)

    def _is_promised(self, job: WaitingJob) -> bool:
        return bool(job.promised_to) and job.promised_until is not None and job.promised_until > self._request.now

    def _may_run(self, job: WaitingJob, *, is_promised: bool) -> bool:
        """Whether its tenant may have its engines, too; nobody else can give it any before this transaction ends."""
        allowed = self._request.limits_of(job.tenant).max_running_engines
        if not allowed:
            return True
        if job.tenant not in self._used:
            is_alone = locks.try_hold(self._connection, "running engines", job.tenant)
            self._used[job.tenant] = self._count(job.tenant) if is_alone else None
            self.ask_again |= not is_alone
        used = self._used[job.tenant]
        if used is None:
            return False
        others = used - job.engines if is_promised else used
        return others <= 0 or others + job.engines <= allowed

    def _count(self, tenant: str) -> int:
        return cluster_queries.engines_of(self._connection, tenant, now=self._request.now)

    def _engines(self, job: WaitingJob) -> int:
        # A job accepted when there were larger nodes runs with what there is now rather than never.
        return max(1, min(job.engines, self._request.largest_engines))

    def _set(self, job_id: str, **changes: Any) -> None:
        self._connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**changes))
