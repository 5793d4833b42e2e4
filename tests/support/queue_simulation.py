"""A queue played through, job by job: what the formulas of `planning.queueing` are compared with."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds, means over all jobs."""

    mean_wait_s: float
    p95_wait_s: float
    mean_service_s: float
    wait_ratio: float


def play(
    arrivals_per_s: float,
    served_per_s: Callable[[int], float],
    *,
    places: int,
    size: Callable[[random.Random], float],
    jobs: int,
    seed: int = 1,
) -> Played:
    """Jobs come at random, with sizes whose mean is 1, and wait in order for one of the places; those in service share
    `served_per_s(n)` alike.
    """
    chance = random.Random(seed)
    now_s = shared = 0.0  # `shared`: what each job in service has been given so far
    next_s = chance.expovariate(arrivals_per_s)
    ends: list[tuple[float, float]] = []  # of those in service: the share at which it is done, its start
    line: deque[tuple[float, float]] = deque()  # of those that wait: arrival, size
    waits: list[float] = []
    services: list[float] = []
    while len(services) < jobs:
        each_per_s = served_per_s(len(ends)) / len(ends) if ends else 0.0
        done_s = now_s + (ends[0][0] - shared) / each_per_s if ends else float("inf")
        if next_s < done_s:
            shared += each_per_s * (next_s - now_s)
            now_s = next_s
            next_s = now_s + chance.expovariate(arrivals_per_s)
            line.append((now_s, size(chance)))
        else:
            shared, now_s = ends[0][0], done_s
            services.append(now_s - heapq.heappop(ends)[1])
        if line and len(ends) < places:
            arrival_s, work = line.popleft()
            waits.append(now_s - arrival_s)
            heapq.heappush(ends, (shared + work, now_s))
    waits.sort()
    return Played(
        sum(waits) / len(waits),
        waits[len(waits) * 95 // 100],
        sum(services) / len(services),
        sum(wait > 0 for wait in waits) / len(waits),
    )
