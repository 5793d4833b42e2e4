"""The engines of a node. `SlotTable` says who gets the next one, and is pure; `Slots` lets tasks wait for theirs.

Rules, in this order:
1. at most `max_engines` windows are in flight, and at most `max_engines` engines are reserved;
2. a free engine goes to a job below its reservation first;
3. then, with elastic on, it is lent to the job with the fewest windows in flight, up to the job's own limit.

An engine that is reserved but not in use just now is lent too (ADR 4): it comes back within one window, and that is all
a job waits for an engine it has reserved, a new job included.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from stenod_server.errors import Broken


@dataclass(slots=True)
class Holding:
    """What a job holds. Written by `SlotTable` only. `most` caps the windows it may have in flight, `group_most` those
    that all of its group may have (0: no cap).
    """

    reserved: int
    most: int
    group: str = ""
    group_most: int = 0
    in_flight: int = 0

    @property
    def elastic(self) -> int:
        return max(0, self.in_flight - self.reserved)


class SlotTable:
    """Who holds what. No waiting in here, and no await: each call is atomic in the event loop."""

    def __init__(self, max_engines: int, *, elastic: bool) -> None:
        self.max_engines = max_engines
        self._elastic = elastic
        self._holdings: dict[str, Holding] = {}
        self._reserved = 0
        self._in_use = 0
        self._in_flight_by_group: Counter[str] = Counter()
        self._reserved_by_group: Counter[str] = Counter()

    @property
    def holdings(self) -> Mapping[str, Holding]:
        return self._holdings

    @property
    def reserved(self) -> int:
        return self._reserved

    @property
    def unused(self) -> int:
        return self.max_engines - self._reserved

    @property
    def in_use(self) -> int:
        return self._in_use

    @property
    def elastic(self) -> int:
        return sum(holding.elastic for holding in self._holdings.values())

    def reserved_by(self, group: str) -> int:
        """Engines that the jobs of a group have reserved."""
        return self._reserved_by_group[group]

    def reserve(self, job_id: str, engines: int, *, most: int = 0, group: str = "", group_most: int = 0) -> bool:
        """Guarantee `engines` to a job, if that many are unused; `most` 0: no cap on what may be lent to it.

        A group has at most `group_most` windows in flight, or as many as its jobs have reserved (0: no such cap).
        """
        if not 1 <= engines <= self.unused:
            return False
        if job_id in self._holdings:
            raise Broken("a job reserves engines twice", job_id=job_id)
        limit = self.max_engines if self._elastic else engines
        self._holdings[job_id] = Holding(engines, max(engines, min(most or limit, limit)), group, group_most)
        self._reserved += engines
        self._reserved_by_group[group] += engines
        return True

    def release(self, job_id: str) -> None:
        """Give the reservation up. Windows still in flight keep their engines until they end."""
        holding = self._holdings[job_id]
        self._reserved -= holding.reserved
        self._reserved_by_group[holding.group] -= holding.reserved
        holding.reserved = holding.most = 0
        self._forget_if_done(job_id, holding)

    def next_in_line(self, waiting: Iterable[str]) -> str | None:
        """Which of the jobs with a window at hand gets an engine now."""
        if self._in_use >= self.max_engines:
            return None
        best: tuple[bool, int] | None = None
        chosen = None
        for job_id in waiting:
            holding = self._holdings[job_id]
            rank = (holding.in_flight >= holding.reserved, holding.in_flight)
            if self._may_have(holding) and (best is None or rank < best):
                best, chosen = rank, job_id
        return chosen

    def _may_have(self, holding: Holding) -> bool:
        """One more engine. A job below its reservation may find its group's cap used up by engines lent to the group's
        other jobs: then it waits for one of those to come back, as it would on a node that is full of lent engines.
        """
        in_flight, cap = self._in_flight_by_group[holding.group], holding.group_most
        if holding.in_flight < holding.reserved:
            return not cap or in_flight < max(cap, self._reserved_by_group[holding.group])
        return holding.in_flight < holding.most and not 0 < cap <= in_flight

    def is_open(self, job_id: str) -> bool:
        """Whether the job has a reservation."""
        holding = self._holdings.get(job_id)
        return holding is not None and holding.most > 0

    def take(self, job_id: str) -> None:
        holding = self._holdings[job_id]
        holding.in_flight += 1
        self._in_flight_by_group[holding.group] += 1
        self._in_use += 1

    def give_back(self, job_id: str) -> None:
        holding = self._holdings[job_id]
        if holding.in_flight < 1:
            raise Broken("an engine is given back twice", job_id=job_id)
        holding.in_flight -= 1
        self._in_flight_by_group[holding.group] -= 1
        self._in_use -= 1
        self._forget_if_done(job_id, holding)

    def _forget_if_done(self, job_id: str, holding: Holding) -> None:
        if holding.most == 0 and holding.in_flight == 0:
            del self._holdings[job_id]
            for counts in (self._in_flight_by_group, self._reserved_by_group):
                if not counts[holding.group]:
                    del counts[holding.group]


class Slots:
    """The table, and the tasks that wait for an engine. One event loop; `on_change` is called after every change."""

    def __init__(self, max_engines: int, *, elastic: bool, on_change: Callable[[], None] = lambda: None) -> None:
        self.table = SlotTable(max_engines, elastic=elastic)
        self._on_change = on_change
        self._waiters: dict[str, deque[asyncio.Future[None]]] = {}

    def reserve(self, job_id: str, engines: int, *, most: int = 0, group: str = "", group_most: int = 0) -> bool:
        """Reserve at once or not at all; the engines themselves come as lent windows finish."""
        reserved = self.table.reserve(job_id, engines, most=most, group=group, group_most=group_most)
        if reserved:
            self._on_change()
        return reserved

    def release(self, job_id: str) -> None:
        """The job is over: its reservation is free, and nobody waits on its behalf any more."""
        for waiter in self._waiters.pop(job_id, ()):
            waiter.cancel()
        self.table.release(job_id)
        self._hand_out()

    async def acquire(self, job_id: str) -> None:
        """Wait for an engine, one per window. Cancelling the wait leaks none."""
        if not self.table.is_open(job_id):
            raise Broken("a job without a reservation asks for an engine", job_id=job_id)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, deque()).append(waiter)
        self._hand_out()
        try:
            await waiter
        except asyncio.CancelledError:
            # Granted and cancelled in the same turn of the loop: the engine is ours, and nobody will use it.
            if waiter.done() and not waiter.cancelled():
                self.give_back(job_id)
            else:
                self._withdraw(job_id, waiter)
            raise

    def give_back(self, job_id: str) -> None:
        """A window is done with its engine."""
        self.table.give_back(job_id)
        self._hand_out()

    def _hand_out(self) -> None:
        while (job_id := self.table.next_in_line(self._waiters)) is not None:
            queue = self._waiters[job_id]
            waiter = queue.popleft()
            if not queue:
                del self._waiters[job_id]
            if not waiter.done():  # else its task was cancelled and has not run since
                self.table.take(job_id)
                waiter.set_result(None)
        self._on_change()

    def _withdraw(self, job_id: str, waiter: asyncio.Future[None]) -> None:
        queue = self._waiters.get(job_id)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._waiters[job_id]
