"""However jobs, windows and ends are mixed: no grant takes a group beyond its cap, and no cap idles others' engines."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from stenod_server.scheduler.slots import SlotTable

MAX_ENGINES = 6
CAPS = {"open": 0, "narrow": 1, "wide": 4}


class GroupMachine(RuleBasedStateMachine):
    """Every job has windows without end, so an engine that could be granted is."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.table = SlotTable(MAX_ENGINES, elastic=True)
        self.groups: dict[str, str] = {}
        self.reserved: dict[str, int] = {}  # of jobs that run
        self.held: dict[str, int] = {}
        self.count = 0

    def in_flight(self, group: str) -> int:
        return sum(count for job_id, count in self.held.items() if self.groups[job_id] == group)

    def bound(self, group: str) -> int:
        """Windows the group may have in flight."""
        reserved = sum(engines for job_id, engines in self.reserved.items() if self.groups[job_id] == group)
        assert self.table.reserved_by(group) == reserved
        return max(CAPS[group], reserved) if CAPS[group] else MAX_ENGINES

    @rule(target=jobs, group=st.sampled_from(sorted(CAPS)), engines=st.integers(1, 3))
    def job_comes(self, group: str, engines: int) -> str | MultipleResults[str]:
        job_id = f"job{self.count}"
        self.count += 1
        if not self.table.reserve(job_id, engines, group=group, group_most=CAPS[group]):
            return multiple()
        self.groups[job_id], self.reserved[job_id], self.held[job_id] = group, engines, 0
        return job_id

    @rule()
    def engines_are_granted(self) -> None:
        while (job_id := self.table.next_in_line(self.reserved)) is not None:
            self.table.take(job_id)
            self.held[job_id] += 1
            assert self.in_flight(self.groups[job_id]) <= self.bound(self.groups[job_id])
        if self.table.in_use < MAX_ENGINES:
            for group in {self.groups[job_id] for job_id in self.reserved}:
                assert CAPS[group]
                assert self.in_flight(group) >= CAPS[group]

    @rule(job_id=jobs)
    def window_ends(self, job_id: str) -> None:
        if self.held[job_id]:
            self.held[job_id] -= 1
            self.table.give_back(job_id)

    @rule(job_id=jobs)
    def job_ends(self, job_id: str) -> None:
        if self.reserved.pop(job_id, None):
            self.table.release(job_id)

    @invariant()
    def capacity_holds(self) -> None:
        assert self.table.in_use == sum(self.held.values()) <= MAX_ENGINES

    def teardown(self) -> None:
        for job_id in list(self.reserved):
            self.job_ends(job_id)
        for job_id, count in self.held.items():
            for _ in range(count):
                self.table.give_back(job_id)
        assert not self.table.holdings
        assert not self.table._reserved_by_group
        assert not self.table._in_flight_by_group


TestGroups = GroupMachine.TestCase
TestGroups.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
