"""What the nodes of a cluster know of each other, through the database they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

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
