"""The clock that all nodes of a database share."""

from datetime import UTC, datetime, timedelta

from stenod_server.store.database_clock import PATIENCE_S, DatabaseClock

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class Pace:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def _measured(clock: DatabaseClock, pace: Pace, time: datetime, answer_s: float) -> None:
    clock.measured(time, asked_s=pace.s, answered_s=pace.s + answer_s)


def test_it_says_what_the_database_said_and_goes_on() -> None:
    pace = Pace()
    clock = DatabaseClock(pace)
    _measured(clock, pace, NOON, 0.0)
    pace.s += 2.5
    assert clock.now() == NOON + timedelta(seconds=2.5)
    assert clock.monotonic_s() == 102.5


def test_the_answer_was_given_half_way() -> None:
    pace = Pace()
    clock = DatabaseClock(pace)
    _measured(clock, pace, NOON, 2.0)
    pace.s += 1.0
    assert clock.now() == NOON


def test_a_slow_answer_does_not_spoil_a_quick_one() -> None:
    pace = Pace()
    clock = DatabaseClock(pace)
    _measured(clock, pace, NOON, 0.002)
    before = clock.now()
    _measured(clock, pace, NOON + timedelta(seconds=0.9), 2.0)  # given at once, and long on its way
    assert clock.now() == before


def test_after_a_while_a_slow_answer_is_better_than_an_old_one() -> None:
    pace = Pace()
    clock = DatabaseClock(pace)
    _measured(clock, pace, NOON, 0.002)
    pace.s += PATIENCE_S
    _measured(clock, pace, NOON + timedelta(seconds=PATIENCE_S), 0.2)
    assert clock.now() == NOON + timedelta(seconds=PATIENCE_S - 0.1)


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    pace = Pace()
    clock = DatabaseClock(pace)
    _measured(clock, pace, NOON, 0.002)
    _measured(clock, pace, NOON - timedelta(hours=1), 0.02)
    assert abs(clock.now() - (NOON - timedelta(hours=1))) < timedelta(seconds=1)
