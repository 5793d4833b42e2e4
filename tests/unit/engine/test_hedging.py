"""When a window is asked of a second Triton, who wins, and what it may cost: in a time that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from stenod_server.engine.hedging import Budget, Hedging, Latencies, Sized
from stenod_server.engine.strikes import OUT_AFTER
from stenod_server.engine.target import Health, Target
from stenod_server.errors import EngineUnavailable, InvalidField, StenodError
from tests.support.virtual_time import VirtualTime

WINDOW = Sized("fake", 10.0)


@dataclass
class _Site:
    """Two Tritons that answer after `takes_s`, or fail with `fails`; `cancelled` are those whose answer came late."""

    time: VirtualTime
    hedging: Hedging
    slow: Target
    quick: Target
    takes_s: dict[Target, float]
    fails: dict[Target, StenodError] = field(default_factory=dict)
    cancelled: list[Target] = field(default_factory=list)

    async def answer(self, target: Target) -> str:
        with target.window():
            try:
                await self.time.sleep(self.takes_s[target])
            except asyncio.CancelledError:
                self.cancelled.append(target)
                raise
        if problem := self.fails.get(target):
            raise problem
        return "slow" if target is self.slow else "quick"

    def ask(self, window: Sized = WINDOW, *, others: Callable[[], list[Target]] | None = None) -> asyncio.Task[str]:
        found = others or (lambda: [self.quick])
        return asyncio.create_task(self.hedging.ask(self.answer, self.slow, found, window))

    def earn(self) -> None:
        for _ in range(100):
            self.hedging._budget.earn()


@pytest.fixture
async def site() -> AsyncIterator[_Site]:
    """The quick one usually takes 1 s; there is a budget of 10 windows."""
    time = VirtualTime()
    hedging = Hedging(0.1, sleep=time.sleep)
    slow, quick = Target("127.0.0.1:1", {}), Target("127.0.0.1:2", {})
    made = _Site(time, hedging, slow, quick, takes_s={slow: 30.0, quick: 1.0})
    for _ in range(20):
        hedging.note(quick, WINDOW, 1.0)
    made.earn()
    yield made
    for target in (slow, quick):
        await target.close()


async def test_a_straggler_is_asked_of_another_and_cancelled_when_that_answers(site: _Site) -> None:
    window = site.ask()
    await site.time.pass_s(0.9)
    assert (site.slow.in_flight, site.quick.in_flight) == (1, 0)
    await site.time.pass_s(0.2)
    assert (site.slow.in_flight, site.quick.in_flight) == (1, 1)
    await site.time.pass_s(1.0)
    assert await window == "quick"
    assert site.cancelled == [site.slow]
    assert (site.hedging.asked, site.hedging.won) == (1, 1)
    assert (site.slow.in_flight, site.quick.in_flight) == (0, 0)


async def test_who_is_overtaken_again_and_again_is_not_trusted_for_a_while(site: _Site) -> None:
    site.slow.health = Health.GOOD
    for _ in range(OUT_AFTER):
        assert site.slow.is_trusted
        window = site.ask()
        await site.time.pass_s(2.5)
        assert await window == "quick"
    assert not site.slow.is_trusted


async def test_the_first_answer_wins_though_it_was_asked_first(site: _Site) -> None:
    site.takes_s[site.slow] = 1.5
    window = site.ask()
    await site.time.pass_s(1.6)
    assert await window == "slow"
    assert site.cancelled == [site.quick]
    assert (site.hedging.asked, site.hedging.won) == (1, 0)


async def test_whoever_answers_in_time_is_not_asked_twice(site: _Site) -> None:
    site.takes_s[site.slow] = 0.9
    window = site.ask()
    await site.time.pass_s(5.0)
    assert await window == "slow"
    assert site.hedging.asked == 0


@pytest.mark.parametrize("reason", ["no memory of that size", "no budget", "nobody else", "off"])
async def test_nobody_is_asked_twice_where_there_is(site: _Site, reason: str) -> None:
    window, others = WINDOW, None
    if reason == "no memory of that size":
        window = Sized("fake", 30.0)
    if reason == "no budget":
        site.hedging._budget = Budget(0.1)
    if reason == "nobody else":
        others = list
    if reason == "off":
        site.hedging = Hedging(0.0, sleep=site.time.sleep)
    asked = site.ask(window, others=others)
    await site.time.pass_s(31.0)
    assert await asked == "slow"
    assert site.hedging.asked == 0


async def test_a_second_that_fails_in_passing_leaves_the_first_to_answer(site: _Site) -> None:
    site.fails[site.quick] = EngineUnavailable("it fell over", died=True)
    window = site.ask()
    await site.time.pass_s(31.0)
    assert await window == "slow"


async def test_a_first_that_fails_leaves_the_second_to_answer(site: _Site) -> None:
    site.takes_s[site.slow] = 1.5
    site.fails[site.slow] = EngineUnavailable("it fell over", died=True)
    window = site.ask()
    await site.time.pass_s(3.0)
    assert await window == "quick"


async def test_where_both_fail_the_first_problem_is_told(site: _Site) -> None:
    site.fails = {site.slow: EngineUnavailable("first"), site.quick: EngineUnavailable("second")}
    window = site.ask()
    await site.time.pass_s(31.0)
    with pytest.raises(EngineUnavailable, match="first"):
        await window


async def test_a_window_that_is_refused_is_not_waited_for(site: _Site) -> None:
    site.fails[site.quick] = InvalidField("window", "too long")
    window = site.ask()
    await site.time.pass_s(2.1)
    with pytest.raises(InvalidField):
        await window
    assert site.cancelled == [site.slow]


async def test_who_gives_the_window_up_ends_both(site: _Site) -> None:
    window = site.ask()
    await site.time.pass_s(1.1)
    window.cancel()
    await asyncio.gather(window, return_exceptions=True)
    assert sorted(target.url for target in site.cancelled) == ["127.0.0.1:1", "127.0.0.1:2"]


async def test_no_more_windows_are_asked_twice_than_the_budget_allows(site: _Site) -> None:
    site.hedging._budget = Budget(0.1)
    for _ in range(200):
        window = site.ask()
        await site.time.pass_s(31.0)
        await window
    assert site.hedging.asked == 20


def test_a_quiet_hour_does_not_pay_for_a_storm() -> None:
    budget = Budget(0.5)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_what_is_usual_is_told_by_size_and_only_from_enough_windows() -> None:
    latencies = Latencies()
    for took in range(1, 20):
        latencies.note("fake", 9.0, float(took))
    assert latencies.quantile_s("fake", 10.0, 0.95) is None
    latencies.note("fake", 15.0, 20.0)
    assert latencies.quantile_s("fake", 10.0, 0.95) == 19.0
    assert latencies.quantile_s("fake", 10.0, 0.99) == 20.0
    assert latencies.quantile_s("fake", 17.0, 0.95) is None
    assert latencies.quantile_s("other", 10.0, 0.95) is None
