"""A clock that jumps ahead ends nothing's time before the new time has lasted."""

from datetime import timedelta

from stenod_server.scheduler.steady_time import LASTED_S, SteadyTime
from tests.support.builders import START, FakeClock

YEAR = timedelta(days=365)


class SetClock(FakeClock):
    """Its wall time can be set, as an operator or a time server does."""

    def set_ahead(self, by: timedelta) -> None:
        self._now += by


def test_time_goes_by_the_clock() -> None:
    clock = SetClock()
    time = SteadyTime(clock)
    assert time.now() == START
    assert time.now() == START
    clock.advance(60.0)
    assert time.now() == START + timedelta(seconds=60)
    clock.set_ahead(timedelta(minutes=4))  # put right
    assert (time.now(), time.is_doubted) == (clock.now(), False)


def test_a_jump_ahead_is_believed_once_it_has_lasted() -> None:
    clock = SetClock()
    time = SteadyTime(clock)
    time.now()
    clock.set_ahead(YEAR)
    for minute in range(int(LASTED_S / 60)):
        assert (time.now(), time.is_doubted) == (START + timedelta(minutes=minute), True)
        clock.advance(60.0)
    assert (time.now(), time.is_doubted) == (clock.now(), False)


def test_a_jump_that_is_taken_back_was_none() -> None:
    clock = SetClock()
    time = SteadyTime(clock)
    time.now()
    clock.set_ahead(YEAR)
    assert time.now() == START
    clock.advance(LASTED_S - 1)
    assert time.is_doubted
    clock.set_ahead(-YEAR)
    assert (time.now(), time.is_doubted) == (START + timedelta(seconds=LASTED_S - 1), False)
    clock.set_ahead(YEAR)  # another one begins anew
    clock.advance(2.0)
    assert time.now() == START + timedelta(seconds=LASTED_S + 1)


def test_a_clock_that_falls_back_is_believed() -> None:
    clock = SetClock()
    time = SteadyTime(clock)
    time.now()
    clock.set_ahead(-YEAR)
    assert time.now() == START - YEAR
