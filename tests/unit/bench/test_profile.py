import pytest

from bench.profile import Loop, fitted_overhead_s, without_overhead
from stenod_server.planning.plan import Demand, make_plan
from tests.proofs.plan import Observed, row
from tests.unit.planning.test_plan import PROFILE


def _loop(length_s: float, *, overhead_s: float, speed: float, jobs: int = 100) -> Loop:
    """As a node without noise would have it."""
    return Loop(jobs, jobs * length_s, jobs * (overhead_s + length_s / speed))


@pytest.mark.parametrize("overhead_s", [0.0, 0.02, 0.1])
def test_what_a_job_costs_beside_its_audio_is_found_from_short_and_long_recordings(overhead_s: float) -> None:
    short, middle, long = (_loop(length_s, overhead_s=overhead_s, speed=50.0) for length_s in (2.0, 8.0, 20.0))
    found = fitted_overhead_s(short, long, middle)
    assert found == pytest.approx(overhead_s)
    assert without_overhead(middle, found) == pytest.approx(50.0)


def test_noise_does_not_make_jobs_free_or_nothing_but_overhead() -> None:
    quick_short, slow_long = _loop(2.0, overhead_s=0.0, speed=90.0), _loop(20.0, overhead_s=0.0, speed=40.0)
    assert fitted_overhead_s(quick_short, slow_long, slow_long) == 0.0
    slow_short, quick_long = _loop(2.0, overhead_s=1.0, speed=10.0), _loop(20.0, overhead_s=0.0, speed=1000.0)
    assert fitted_overhead_s(slow_short, quick_long, quick_long) == pytest.approx(quick_long.of_a_job_s / 2)
    assert fitted_overhead_s(slow_short, slow_short, slow_short) == 0.0  # one length says nothing


def test_the_proof_of_the_plan_fails_where_what_is_seen_is_not_what_was_said() -> None:
    plan = make_plan(Demand(hours_per_hour=72, nodes=1), PROFILE)
    assert plan.waiting is not None
    assert plan.waiting.mean_wait_s is not None
    waits = [plan.waiting.mean_wait_s] * 10
    as_said = Observed(10.0, waits=waits, runs=[1.0] * 10, audio_s=720.0)
    assert row(0.9, plan, as_said)[0]
    assert not row(0.9, plan, Observed(10.0, waits=waits, runs=[1.0], audio_s=500.0))[0]
    late = [3 * wait + 1 for wait in waits]
    assert not row(0.9, plan, Observed(10.0, waits=late, runs=[1.0], audio_s=720.0))[0]
    assert not row(0.9, plan, Observed(10.0, waits=waits, audio_s=720.0, failures=["INTERNAL"]))[0]


def test_time_in_which_engines_wait_for_their_callers_does_not_count() -> None:
    loop = Loop(10, 100.0, 20.0, run_s=30.0)  # 1.5 engines of 2 in use
    assert loop.with_all(2).speed == pytest.approx(100.0 / 15.0)
    assert Loop(10, 100.0, 20.0, run_s=50.0).with_all(2).speed == 5.0  # no more than all
