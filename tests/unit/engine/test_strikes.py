"""Who fails window after window is out for a while, and for longer when it fails again."""

from stenod_server.engine.strikes import OUT_AFTER, Strikes
from tests.support.builders import FakeClock


def _fail(strikes: Strikes, times: int) -> list[bool]:
    return [strikes.failed() for _ in range(times)]


def test_so_many_failures_in_a_row_put_it_out_for_a_while() -> None:
    clock = FakeClock()
    strikes = Strikes(clock.monotonic_s)
    assert _fail(strikes, OUT_AFTER) == [False] * (OUT_AFTER - 1) + [True]
    assert strikes.are_out
    clock.advance(1.01)
    assert not strikes.are_out


def test_after_that_one_window_decides() -> None:
    clock = FakeClock()
    strikes = Strikes(clock.monotonic_s)
    _fail(strikes, OUT_AFTER)
    for longest_s in (2.0, 4.0, 8.0):
        clock.advance(60.0)
        assert _fail(strikes, 1) == [True]
        clock.advance(longest_s / 2 - 0.01)
        assert strikes.are_out
        clock.advance(longest_s / 2 + 0.02)
        assert not strikes.are_out
    strikes.succeeded()
    assert _fail(strikes, OUT_AFTER)[-2:] == [False, True]
    clock.advance(1.01)
    assert not strikes.are_out


def test_what_was_under_way_when_it_was_put_out_changes_nothing() -> None:
    clock = FakeClock()
    strikes = Strikes(clock.monotonic_s)
    assert not any(_fail(strikes, OUT_AFTER + 30)[OUT_AFTER:])
    strikes.succeeded()
    assert strikes.are_out
    clock.advance(1.01)
    assert not strikes.are_out
