"""How long jobs wait for engines: the queue M/G/k, whose servers get slower the more of them are busy.

The jobs in service share the nodes' speed, which is measured for each number of busy engines; those behind them wait in
order. For service times without memory that is a birth-death chain, solved exactly here: where k engines are k times as
fast as one it is Erlang's C. For other service times the wait is corrected by Allen's and Cunneen's factor,

    W_q(G/G/k)  ~  W_q(M/M/k) * (c_a^2 + c_s^2) / 2

with the coefficients of variation of the times between arrivals and of service (A. O. Allen, Probability, Statistics,
and Queueing Theory with Computer Science Applications, 2nd ed., Academic Press 1990; also in Bolch, Greiner, de Meer
and Trivedi, Queueing Networks and Markov Chains, 2nd ed., Wiley 2006, on the GI/G/m queue). It is exact for M/M/k and
M/G/1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

LATE_RATIO = 0.05  # of the jobs wait for longer than `p95_wait_s`


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`arrivals_per_s` of jobs that come at random; `served_per_s(n)`: how many of n jobs in service end in a second;
    at most `places` are served side by side. `cv_service` and `cv_arrivals` are coefficients of variation.
    """

    arrivals_per_s: float
    served_per_s: Callable[[int], float]
    places: int
    cv_service: float = 1.0
    cv_arrivals: float = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a queue settles at. None: it never does, for more comes in than is done."""

    utilisation: float
    wait_ratio: float | None  # of the jobs that wait at all
    mean_wait_s: float | None
    p95_wait_s: float | None
    mean_service_s: float | None  # from the first engine to the last window


def waiting(queue: Queue) -> Waiting:
    """Solve it. Takes time in proportion to `places`."""
    full_per_s = queue.served_per_s(queue.places)
    utilisation = queue.arrivals_per_s / full_per_s if full_per_s > 0 else math.inf
    if utilisation >= 1:
        return Waiting(utilisation, None, None, None, None)
    if queue.arrivals_per_s <= 0:
        return Waiting(0.0, 0.0, 0.0, 0.0, 1 / queue.served_per_s(1))
    chances = _chances(queue)
    wait_ratio = chances[-1] / (1 - utilisation)
    mean_wait_s = wait_ratio / (full_per_s - queue.arrivals_per_s)
    mean_wait_s *= (queue.cv_arrivals**2 + queue.cv_service**2) / 2
    # In service: n of them in state n, all places in every state behind the last.
    in_service = sum(n * chance for n, chance in enumerate(chances[:-1])) + queue.places * wait_ratio
    return Waiting(
        utilisation, wait_ratio, mean_wait_s, _p95_s(wait_ratio, mean_wait_s), in_service / queue.arrivals_per_s
    )


def _chances(queue: Queue) -> list[float]:
    """Of 0 … `places` jobs being there, the last of them all in service and none waiting."""
    # As logarithms: a thousand places are a product of a thousand factors.
    logs = [0.0]
    for n in range(1, queue.places + 1):
        logs.append(logs[-1] + math.log(queue.arrivals_per_s / queue.served_per_s(n)))
    most = max(logs)
    weights = [math.exp(one - most) for one in logs]
    utilisation = queue.arrivals_per_s / queue.served_per_s(queue.places)
    total = sum(weights[:-1]) + weights[-1] / (1 - utilisation)
    return [weight / total for weight in weights]


def _p95_s(wait_ratio: float, mean_wait_s: float) -> float:
    """Those who wait at all wait for a time that is taken to be exponential, as it is for M/M/k."""
    if wait_ratio <= LATE_RATIO:
        return 0.0
    return mean_wait_s / wait_ratio * math.log(wait_ratio / LATE_RATIO)
