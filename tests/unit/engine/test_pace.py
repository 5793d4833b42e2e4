import pytest

from stenod_server.engine.pace import Pace


class _Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> _Now:
    return _Now()


def _answered(pace: Pace, now: _Now, *, audio_s: float, took_s: float) -> None:
    with pace.window(audio_s):
        now.s += took_s


def test_nothing_is_expected_of_one_that_never_answered(now: _Now) -> None:
    assert Pace(now).expected_s() is None


def test_what_was_measured_idle_is_what_each_window_may_take_under_load(now: _Now) -> None:
    pace = Pace(now)
    _answered(pace, now, audio_s=10.0, took_s=3.0)
    with pace.window(10.0), pace.window(20.0):
        assert pace.expected_s() == pytest.approx(9.0)


def test_what_was_measured_under_load_counts_the_windows_before_it(now: _Now) -> None:
    pace = Pace(now)
    with pace.window(30.0):
        _answered(pace, now, audio_s=10.0, took_s=4.0)
        assert pace.expected_s() == pytest.approx(3.0)


def test_a_few_slow_windows_in_many_do_not_count(now: _Now) -> None:
    pace = Pace(now)
    for index in range(100):
        _answered(pace, now, audio_s=10.0, took_s=50.0 if index % 25 == 0 else 1.0)
    with pace.window(10.0):
        assert pace.expected_s() == pytest.approx(1.0)


def test_a_window_that_failed_is_no_answer_and_leaves_nothing(now: _Now) -> None:
    pace = Pace(now)
    with pytest.raises(KeyError), pace.window(10.0):
        raise KeyError
    assert (pace.answers, pace.expected_s()) == (0, None)
    _answered(pace, now, audio_s=10.0, took_s=1.0)
    assert pace.answers == 1
    with pace.window(10.0):
        assert pace.expected_s() == pytest.approx(1.0)


def test_an_empty_window_has_a_pace_too(now: _Now) -> None:
    pace = Pace(now)
    _answered(pace, now, audio_s=0.0, took_s=0.5)
    assert pace.expected_s() == pytest.approx(0.5)


def test_a_slow_model_beside_a_quick_one_is_given_its_own_time(now: _Now) -> None:
    pace = Pace(now)
    with pace.window(10.0, "quick"):
        now.s += 0.1
    with pace.window(10.0, "slow"):
        assert pace.expected_s() is None  # it has never answered; the quick one says nothing of it
        now.s += 20.0
    with pace.window(10.0, "quick"):
        assert pace.expected_s() == pytest.approx(0.1)
        with pace.window(10.0, "slow"):
            assert pace.expected_s() == pytest.approx(20.1)
