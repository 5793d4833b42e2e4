"""What the nodes of a cluster know of each other, through the database they share."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from stenod_server.domain.job import Job, JobConfig
from stenod_server.domain.quota import TenantLimits
from stenod_server.errors import EnginesExhausted
from stenod_server.ports.recognition import ModelProfile, VoiceProfile


class SignalKind(StrEnum):
    """What a signal tells."""

    QUEUED = "queued"  # a job waits: submitted, released or rescued
    CHANGED = "changed"  # a job's state, progress or segments; `name` is its id
    STOP = "stop"  # a running job is to be cancelled; `name` is its id
    DELIVERY = "delivery"  # somebody is to be told of something
    CAPACITY = "capacity"  # engines became free or a node came or went; `name` is the node
    MISSED = "missed"  # the connection was lost: whatever was told meanwhile is not known; look


@dataclass(frozen=True, slots=True)
class Signal:
    """`name`: the job or the node it is about."""

    kind: SignalKind
    name: str = ""


class Signals(Protocol):
    """What nodes tell each other at once, but not surely: whoever waits for one also looks by himself, now and then.

    What a transaction of the store changes is told when it commits, by the store itself.
    """

    def subscribe(self, hear: Callable[[Signal], None]) -> Callable[[], None]:
        """Call `hear`, on the event loop, for every signal, those of this node too; gives what ends it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """What a node says of itself. `max_engines` 0: it only answers the API, by what the others say of their `models`
    and `voices`. `real_time_factor` and `mean_run_s` (of a job, from its claim to its end) 0: not known yet.
    """

    node: str
    max_engines: int
    reserved_engines: int
    elastic_engines: int
    models: tuple[ModelProfile, ...]
    voices: tuple[VoiceProfile, ...]
    ready: bool  # its recogniser answers
    draining: bool
    real_time_factor: float
    mean_run_s: float
    seen: datetime


class NodeStore(Protocol):
    """The nodes of the cluster. Any call may raise StoreUnavailable."""

    async def report(self, report: NodeReport) -> None:
        """The heartbeat: what there was of that node is replaced."""
        ...

    async def nodes(self, *, since: datetime) -> Sequence[NodeReport]:
        """Those that were seen since then, by name."""
        ...

    async def forget(self, node: str) -> None:
        """It has ended in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a node with `free_engines` of its `max_engines` asks for: at most `limit` jobs, under leases until
    `lease_until`. `largest_engines` are those of the largest node that is up, this one included.

    `can_run` says of a waiting job whether this node's recognisers can do it; it is called on another thread, maybe.
    `models` are their names: a job that names another one is not even looked at. `busy_with` are jobs that this node
    has not let go of yet, whoever's they are.
    """

    node: str
    free_engines: int
    max_engines: int
    largest_engines: int
    models: Collection[str]
    busy_with: Collection[str]
    can_run: Callable[[JobConfig], bool]
    limits_of: Callable[[str], TenantLimits]
    max_overtakes: int
    now: datetime
    lease_until: datetime
    limit: int


@dataclass(frozen=True, slots=True)
class Claims:
    """The jobs that are this node's now, in fair order. `ask_again`: somebody else was at what else may be there."""

    jobs: Sequence[Job] = ()
    ask_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest:
    """Where a job that must start at once shall run. `workers`: the engines of each node that is up and whose
    recogniser answers. Whoever is chosen keeps the job's engines for it until `until`.
    """

    workers: Mapping[str, int]
    limits_of: Callable[[str], TenantLimits]
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that some node runs, and the engines reserved for it."""

    job_id: str
    tenant: str
    engines: int
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the cluster has to do. `promised`: engines that nodes keep for jobs that wait, by node; `waiting_engines`:
    those that the other waiting jobs ask for and their tenants may have.
    """

    running: Sequence[RunningJob] = ()
    queued_jobs: int = 0
    oldest_queued: datetime | None = None
    promised: Mapping[str, int] = field(default_factory=dict)
    waiting_engines: int = 0

    def free(self, workers: Mapping[str, int]) -> Mapping[str, int]:
        """The engines of each worker that no job has, or is promised. The waiting ones have yet to get theirs."""
        left = Counter(workers)
        for job in self.running:
            left[job.node] -= job.engines
        left.subtract(self.promised)
        return {node: max(0, left[node]) for node in workers}

    def unpromised(self, workers: Mapping[str, int]) -> int:
        """The engines that nobody has, is promised or waits for."""
        return sum(self.free(workers).values()) - self.waiting_engines

    def place(self, asked: int, workers: Mapping[str, int]) -> str:
        """The worker that a job shall start on at once, the one with the most left. Raises EnginesExhausted."""
        free, unpromised = self.free(workers), self.unpromised(workers)
        best = max(sorted(free), key=lambda node: free[node], default="")
        if not best or asked > min(unpromised, free[best]):
            total = sum(workers.values())
            raise EnginesExhausted(requested=asked, in_use=min(total, total - unpromised), maximum=total)
        return best


class ClaimStore(Protocol):
    """How the nodes of a cluster share the waiting jobs. Any call may raise StoreUnavailable.

    Fair order: the tenant whose running jobs have the fewest engines for its weight, in the whole cluster; then the
    larger priority, then age. A job that needs more engines than its node has free is overtaken `max_overtakes` times;
    then one node that can have so many keeps what it has until they are enough.
    """

    async def claim_next(self, request: ClaimRequest) -> Claims:
        """QUEUED → RUNNING for the next jobs of this node. No job is given to two, and no tenant more than it may
        have, whoever asks at the same time. A job that asks for more than its tenant may ever have runs alone.
        """
        ...

    async def running_on(self, node: str) -> Sequence[Job]:
        """The jobs that this node holds, as the store has it."""
        ...

    async def load(self, *, now: datetime, limits_of: Callable[[str], TenantLimits]) -> Load: ...
