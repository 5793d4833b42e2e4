import pytest

from stenod_server.domain.capacity import SpeedMeter, expected_wait_s


@pytest.mark.parametrize(
    ("queued", "active", "unused", "mean_run_s", "expected"),
    [
        (0, 0, 4, None, 0.0),  # an engine is free, and nobody stands before us
        (2, 1, 3, None, 0.0),
        (0, 4, 0, None, None),  # full, and nothing measured yet
        (0, 4, 0, 8.0, 2.0),  # the next of four running jobs to end
        (7, 4, 0, 8.0, 16.0),
        (5, 0, 0, 8.0, 48.0),
    ],
)
def test_the_wait_is_the_queue_ahead_over_the_jobs_side_by_side(
    queued: int, active: int, unused: int, mean_run_s: float | None, expected: float | None
) -> None:
    assert (
        expected_wait_s(queued_jobs=queued, active_jobs=active, unused_engines=unused, mean_run_s=mean_run_s)
        == expected
    )


def _run(meter: SpeedMeter, start_s: float, end_s: float, audio_s: float) -> None:
    meter.started(start_s)
    meter.ended(end_s)
    meter.finished(audio_s=audio_s, run_s=end_s - start_s)


def test_nothing_measured_is_unknown() -> None:
    assert SpeedMeter().real_time_factor is None
    assert SpeedMeter().mean_run_s is None


def test_speed_is_audio_over_time_in_work_without_idleness() -> None:
    meter = SpeedMeter()
    _run(meter, 0, 10, 100)
    _run(meter, 1000, 1010, 300)
    assert meter.real_time_factor == 20.0
    assert meter.mean_run_s == 10.0


def test_jobs_side_by_side_count_together() -> None:
    meter = SpeedMeter()
    meter.started(0)
    meter.started(0)
    for _ in range(2):
        meter.ended(10)
        meter.finished(audio_s=100, run_s=10)
    assert meter.real_time_factor == 20.0


def test_old_jobs_are_forgotten() -> None:
    meter = SpeedMeter(memory_jobs=2)
    for number, audio_s in enumerate((1, 100, 100)):
        _run(meter, number * 10, number * 10 + 10, audio_s)
    assert meter.real_time_factor == 10.0
