"""Slots never exceed capacity and never leak, whatever is cancelled when."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from stenod_server.scheduler.slots import Slots

MAX_ENGINES = 5


class SlotMachine(RuleBasedStateMachine):
    """Random jobs whose windows start, end and are cancelled, with the loop turned at random moments in between."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.slots = Slots(MAX_ENGINES, elastic=True)
        self.limits: dict[str, tuple[int, int]] = {}
        self.waits: dict[str, list[asyncio.Task[None]]] = {}
        self.held: dict[str, int] = {}
        self.count = 0

    @rule(target=jobs, engines=st.integers(1, MAX_ENGINES), extra=st.integers(0, 3))
    def reserve(self, engines: int, extra: int) -> str:
        self.count += 1
        job_id = f"job{self.count}"
        free = self.slots.table.unused
        assert self.slots.reserve(job_id, engines, most=engines + extra) == (engines <= free)
        if engines <= free:
            self.limits[job_id] = (engines, engines + extra)
            self.waits[job_id] = []
            self.held[job_id] = 0
        return job_id

    @rule(job_id=jobs)
    def window_comes(self, job_id: str) -> None:
        if job_id in self.limits:
            self.waits[job_id].append(self.loop.create_task(self.slots.acquire(job_id)))

    @rule(job_id=jobs, nth=st.integers(0, 9))
    def cancel_a_wait(self, job_id: str, nth: int) -> None:
        """Also a wait that was granted in this turn and has not noticed yet."""
        waits = self.waits.get(job_id, [])
        if waits:
            waits[nth % len(waits)].cancel()

    @rule(job_id=jobs)
    def window_ends(self, job_id: str) -> None:
        if self.held.get(job_id):
            self.held[job_id] -= 1
            self.slots.give_back(job_id)

    @rule(job_id=jobs)
    def job_ends(self, job_id: str) -> None:
        if self.limits.pop(job_id, None):
            self.slots.release(job_id)

    @rule(turns=st.integers(1, 3))
    def loop_turns(self, turns: int) -> None:
        for _ in range(turns):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        for job_id, waits in self.waits.items():
            for task in [task for task in waits if task.done()]:
                waits.remove(task)
                if not task.cancelled() and task.exception() is None:
                    self.held[job_id] += 1

    @staticmethod
    def waits_still(task: asyncio.Task[None]) -> bool:
        """Not so a task that was granted its engine in this turn and has not noticed yet."""
        waiter = getattr(task, "_fut_waiter", None)
        return waiter is not None and not waiter.done()

    @invariant()
    def capacity_holds(self) -> None:
        table = self.slots.table
        assert 0 <= table.in_use <= MAX_ENGINES
        assert 0 <= table.reserved <= MAX_ENGINES
        assert table.in_use == sum(holding.in_flight for holding in table.holdings.values())
        assert table.reserved == sum(engines for engines, _ in self.limits.values())
        for job_id, (_, most) in self.limits.items():
            assert table.holdings[job_id].in_flight <= most

    @invariant()
    def no_engine_idles_while_a_window_waits(self) -> None:
        table = self.slots.table
        for job_id, (_, most) in self.limits.items():
            if any(self.waits_still(task) and not task.cancelling() for task in self.waits[job_id]):
                assert table.in_use == MAX_ENGINES or table.holdings[job_id].in_flight == most

    @precondition(lambda self: not any(self.waits.values()))
    @invariant()
    def nothing_leaks(self) -> None:
        """With no task between grant and use, the table knows of exactly the windows in work."""
        assert self.slots.table.in_use == sum(self.held.values())

    def teardown(self) -> None:
        for job_id in list(self.limits):
            self.job_ends(job_id)
        self.loop_turns(10)
        for job_id in list(self.held):
            while self.held[job_id]:
                self.window_ends(job_id)
        assert self.slots.table.in_use == 0
        assert not self.slots.table.holdings
        self.loop.close()


TestSlots = SlotMachine.TestCase
TestSlots.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
