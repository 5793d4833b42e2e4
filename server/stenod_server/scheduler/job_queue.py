"""Where a node's next jobs come from: `OwnQueue` of a node on its own, `SharedQueue` of nodes that share a database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from stenod_server.domain.job import Job
from stenod_server.scheduler.slots import Slots


class JobQueue(Protocol):
    """Jobs that wait, for the one loop that runs them. A job that is claimed has its reservation."""

    async def start(self) -> None:
        """Raises StoreUnavailable."""
        ...

    async def refresh(self) -> None:
        """A round of claims begins. Raises StoreUnavailable."""
        ...

    async def claim(self) -> Sequence[Job] | None:
        """The next jobs, which are this node's now; None: there are none that may start. Raises StoreUnavailable."""
        ...

    def offer(self, job: Job, *, reserved: bool) -> None:
        """A job was stored. `reserved`: it has its reservation."""
        ...

    def withdraw(self, job_id: str) -> None:
        """A queued job ended or is gone."""
        ...

    def put_back(self, job: Job, *, due_s: float) -> None:
        """An attempt ended, and the job waits again, until then (monotonic)."""
        ...

    def look(self) -> None:
        """There may be jobs in the store that nobody has told of."""
        ...

    def reserve(self, job: Job) -> bool:
        """Promise the job its engines, if they are free."""
        ...

    def within_quota(self, job: Job) -> bool:
        """Whether the engines it asks for are left of what its tenant may reserve."""
        ...

    @property
    def waiting_engines(self) -> int:
        """Engines that known jobs wait for which nobody has promised them yet, and their tenants may have."""
        ...

    async def oldest(self) -> datetime | None:
        """When the oldest waiting job was submitted."""
        ...


def reserve(slots: Slots, job: Job, *, group_most: int) -> bool:
    """Promise the job its engines, if they are free; its tenant has `group_most` of the node's at most."""
    return slots.reserve(
        job.job_id,
        engines_of(slots, job),
        most=job.config.max_parallel_engines,
        group=job.tenant,
        group_most=group_most,
    )


def engines_of(slots: Slots, job: Job) -> int:
    """A job accepted when the node was larger runs with what there is now rather than never."""
    return max(1, min(job.config.parallel_engines, slots.table.max_engines))
