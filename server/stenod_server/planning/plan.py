"""From a demand and a profile to nodes, waits and costs."""

import math
from dataclasses import dataclass, field
from typing import Final

from stenod_server.errors import InvalidField
from stenod_server.planning.prices import Price
from stenod_server.planning.profile import Profile
from stenod_server.planning.queueing import Queue, Waiting, waiting

MOST_NODES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What comes in: `hours_per_hour` of audio, or `peak_concurrent` jobs that shall run side by side, or both.

    `length_mean_s` and `length_cv`: 0 and None mean those of the profile. `nodes` 0: as few as do.
    """

    hours_per_hour: float = 0.0
    peak_concurrent: int = 0
    length_mean_s: float = 0.0
    length_cv: float | None = None
    max_utilisation: float = 0.8
    max_p95_wait_s: float | None = None
    nodes: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidField."""
        if self.hours_per_hour < 0 or self.peak_concurrent < 0 or not (self.hours_per_hour or self.peak_concurrent):
            raise InvalidField("hours_per_hour, peak_concurrent", "one of them must be positive, and none negative")
        if not 0 < self.max_utilisation < 1:
            raise InvalidField("max_utilisation", "must lie between 0 and 1")
        if self.length_mean_s < 0 or (self.length_cv or 0) < 0 or self.nodes < 0 or (self.max_p95_wait_s or 0) < 0:
            raise InvalidField("length, nodes, wait", "must not be negative")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of all nodes for an hour, and of what they do in it; None: not known."""

    per_hour: float | None
    per_audio_hour: float | None
    per_audio_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`most_hours_per_hour` is what the nodes can do; `concurrency_limit` how many recordings run side by side on one
    node such that each takes no longer than it lasts. `waiting_if_slower`: where the nodes are slower than was measured
    by as much as the measurements differed; the nearer to its limit a node is, the more that says.
    """

    profile: Profile
    nodes: int
    gpus: int
    engines: int
    hours_per_hour: float
    most_hours_per_hour: float
    concurrency_limit: int
    waiting: Waiting | None
    waiting_if_slower: Waiting | None
    on_demand: Cost
    spot: Cost
    warnings: tuple[str, ...] = field(default=())


def make_plan(demand: Demand, profile: Profile, price: Price | None = None) -> Plan:
    """Raises InvalidField where no number of nodes would do."""
    nodes = demand.nodes or _fewest_nodes(demand, profile)
    price = price or Price()
    most = nodes * _node_hours_per_hour(demand, profile)
    done = min(demand.hours_per_hour, most) or most
    return Plan(
        profile=profile,
        nodes=nodes,
        gpus=nodes * profile.gpus,
        engines=nodes * profile.engines,
        hours_per_hour=demand.hours_per_hour,
        most_hours_per_hour=most,
        concurrency_limit=math.floor(_node_hours_per_hour(demand, profile)),
        waiting=_waiting(demand, profile, nodes),
        waiting_if_slower=_waiting(demand, profile.slower_by(profile.noise_ratio), nodes)
        if profile.noise_ratio
        else None,
        on_demand=_cost(price.on_demand, nodes, done),
        spot=_cost(price.spot, nodes, done),
        warnings=_warnings(demand, profile),
    )


def _waiting(demand: Demand, profile: Profile, nodes: int) -> Waiting | None:
    return waiting(queue_of(demand, profile, nodes)) if demand.hours_per_hour else None


def queue_of(demand: Demand, profile: Profile, nodes: int) -> Queue:
    """The jobs of a demand before so many nodes. Idle engines are lent: a job of several windows uses several, all of
    one node.
    """
    length_s = demand.length_mean_s or profile.length_mean_s
    cv = profile.length_cv if demand.length_cv is None else demand.length_cv
    windows = max(1.0, length_s / profile.window_s)
    work_s = _work_s(length_s, profile)
    # What every job costs alike evens the service times out.
    cv_service = cv * length_s / work_s

    def served_per_s(jobs: int) -> float:
        busy = min(jobs, nodes)
        return busy * profile.speed(jobs / busy * windows) / work_s

    return Queue(
        arrivals_per_s=demand.hours_per_hour / length_s,
        served_per_s=served_per_s,
        places=nodes * profile.engines,
        cv_service=cv_service,
    )


def _work_s(length_s: float, profile: Profile) -> float:
    """What a job costs, in seconds of audio: its own, and what could be done in the time of its overhead."""
    return length_s + profile.overhead_s * profile.full_speed


def _node_hours_per_hour(demand: Demand, profile: Profile) -> float:
    length_s = demand.length_mean_s or profile.length_mean_s
    return profile.full_speed * length_s / _work_s(length_s, profile)


def _fewest_nodes(demand: Demand, profile: Profile) -> int:
    per_node = _node_hours_per_hour(demand, profile)
    nodes = max(
        1,
        math.ceil(demand.hours_per_hour / per_node / demand.max_utilisation - 1e-9),
        math.ceil(demand.peak_concurrent / profile.engines),
    )
    while nodes <= MOST_NODES:
        if not demand.hours_per_hour or demand.max_p95_wait_s is None:
            return nodes
        p95_s = waiting(queue_of(demand, profile, nodes)).p95_wait_s
        if p95_s is not None and p95_s <= demand.max_p95_wait_s:
            return nodes
        nodes += 1
    raise InvalidField("hours_per_hour", f"takes more than {MOST_NODES} nodes of this kind")


def _cost(price: float | None, nodes: int, hours_per_hour: float) -> Cost:
    if price is None:
        return Cost(None, None, None)
    per_hour = price * nodes
    return Cost(per_hour, per_hour / hours_per_hour, per_hour / hours_per_hour / 60)


def _warnings(demand: Demand, profile: Profile) -> tuple[str, ...]:
    found = []
    if profile.basis != "measured":
        found.append(f"the profile was not measured with stenod: {profile.basis}")
    length_s = demand.length_mean_s or profile.length_mean_s
    if not 0.1 <= length_s / profile.length_mean_s <= 10:
        found.append(f"the profile was measured with recordings of {profile.length_mean_s:.0f} s, not {length_s:.0f} s")
    return tuple(found)
