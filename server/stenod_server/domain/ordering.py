"""Which queued job runs next.

Weighted round robin over tenants; inside a tenant the larger priority first, then age. A turn is a job, not an engine:
a job with more engines does the same work in less time.

A job that needs more engines than are free may be overtaken by jobs that fit, `max_overtakes` times; then nothing
behind it starts until it fits. Priority is strict: it is meant to let a tenant's urgent jobs pass its own other ones.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from stenod_server.domain.job import Job

Rank: TypeAlias = tuple[int, datetime, str]


def rank_of(job: Job) -> Rank:
    """A job's place among those of its tenant; smaller runs earlier."""
    return (-job.config.priority, job.create_time, job.job_id)


@dataclass(slots=True)
class _Line:
    """The jobs of a tenant. `turns` is its virtual time: the tenant that is furthest behind is next."""

    turns: float
    weight: float
    heap: list[Rank] = field(default_factory=list)


class FairQueue:
    """Jobs that wait, in the order in which they shall run. Deterministic: the same calls give the same order."""

    def __init__(self, weight: Callable[[str], float] = lambda _tenant: 1.0, *, max_overtakes: int = 8) -> None:
        self._weight = weight
        self._max_overtakes = max_overtakes
        self._jobs: dict[str, Job] = {}
        self._lines: dict[str, _Line] = {}
        self._overtaken: dict[str, int] = {}
        self._now = 0.0  # virtual time: the turns of the tenant served last
        self._charged: dict[str, float] = {}  # turns of tenants that left ahead of `_now`

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def add(self, job: Job) -> None:
        """Queue a job; one that is queued already stays where it is."""
        if job.job_id in self._jobs:
            return
        self._jobs[job.job_id] = job
        line = self._lines.get(job.tenant)
        if line is None:
            # A tenant that was away has saved no turns up, and has not shed those it took either: one that hands in its
            # jobs one at a time is treated like one that hands them in together.
            turns = max(self._now, self._charged.pop(job.tenant, 0.0))
            line = self._lines[job.tenant] = _Line(turns, self._weight(job.tenant))
        heapq.heappush(line.heap, rank_of(job))

    def discard(self, job_id: str) -> None:
        """Forget a job, queued or not."""
        job = self._jobs.pop(job_id, None)
        self._overtaken.pop(job_id, None)
        if job is None:
            return
        line = self._lines[job.tenant]
        line.heap.remove(rank_of(job))
        heapq.heapify(line.heap)
        self._drop_if_empty(job.tenant, line)

    def take(self, fits: Callable[[Job], bool], may_run: Callable[[Job], bool] = lambda _job: True) -> Job | None:
        """Take out the job to start now. None: none fits, or capacity is held for one that was overtaken enough.

        A job that may not run is passed over with all that is behind it of its tenant, and is not overtaken by that:
        it is its tenant's own jobs that it waits for.
        """
        passed_over: list[Job] = []
        for tenant in self._tenants_in_turn():
            line = self._lines[tenant]
            ahead: list[Rank] = []
            try:
                while line.heap:
                    job = self._jobs[line.heap[0][2]]
                    if not may_run(job):
                        break
                    if fits(job):
                        heapq.heappop(line.heap)
                        self._serve(job, line, passed_over)
                        return job
                    if self._overtaken.get(job.job_id, 0) >= self._max_overtakes:
                        return None
                    passed_over.append(job)
                    ahead.append(heapq.heappop(line.heap))
            finally:
                for rank in ahead:
                    heapq.heappush(line.heap, rank)
                self._drop_if_empty(tenant, line)
        return None

    def _tenants_in_turn(self) -> list[str]:
        # Level tenants: the older job first, so that a stream of new tenants cannot pass one that is held up.
        return sorted(self._lines, key=lambda name: (self._lines[name].turns, self._lines[name].heap[0][1:], name))

    def _serve(self, job: Job, line: _Line, passed_over: list[Job]) -> None:
        for other in passed_over:
            self._overtaken[other.job_id] = self._overtaken.get(other.job_id, 0) + 1
        del self._jobs[job.job_id]
        self._overtaken.pop(job.job_id, None)
        self._now = line.turns
        line.turns += 1 / line.weight

    def _drop_if_empty(self, tenant: str, line: _Line) -> None:
        if line.heap or self._lines.pop(tenant, None) is None:
            return
        self._charged[tenant] = line.turns
        self._charged = {name: turns for name, turns in self._charged.items() if turns > self._now}
