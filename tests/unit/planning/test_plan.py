import json
from dataclasses import replace
from pathlib import Path

import pytest

import stenod_server.planning
from stenod_server.errors import InvalidField
from stenod_server.planning.plan import Demand, make_plan
from stenod_server.planning.prices import Price, read_prices
from stenod_server.planning.profile import Profile, profile_json, read_profile
from tests.support.speech import PROJECT_ROOT

HOME = Path(stenod_server.planning.__file__).parent
OPERATIONS = PROJECT_ROOT / "docs" / "operations.md"
PROFILE = Profile(
    name="made-up",
    model="m",
    machine="box",
    gpu="G1",
    gpus=2,
    engines=8,
    speeds=((1, 20.0), (4, 60.0), (8, 80.0)),
    overhead_s=0.0,
    length_mean_s=20.0,
    length_cv=1.0,
    window_s=20.0,
    basis="measured",
    date="2026-01-01",
)


def test_speed_lies_on_straight_lines_between_what_was_measured() -> None:
    assert [PROFILE.speed(engines) for engines in (0, 0.5, 1, 2.5, 4, 6, 8, 100)] == [0, 10, 20, 40, 60, 70, 80, 80]


@pytest.mark.parametrize("path", sorted((HOME / "profiles").glob("*.json")), ids=lambda path: path.stem)
def test_profiles_that_are_shipped_can_be_read_and_written_again(path: Path) -> None:
    profile = read_profile(path.read_text(), path.name)
    assert profile.name == path.stem
    assert read_profile(profile_json(profile), "again") == profile


@pytest.mark.parametrize("path", sorted((HOME / "profiles").glob("*.json")), ids=lambda path: path.stem)
def test_the_table_of_the_documents_is_that_of_the_profiles(path: Path) -> None:
    profile = read_profile(path.read_text(), path.name)
    plan = make_plan(Demand(peak_concurrent=1), profile)
    rows = [line for line in OPERATIONS.read_text().splitlines() if line.startswith(f"| `{profile.name}` |")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {profile.model} | {plan.concurrency_limit} | {plan.most_hours_per_hour:.0f} |")


def test_prices_that_are_shipped_say_where_they_are_from() -> None:
    prices = read_prices((HOME / "prices.json").read_text(), "prices.json")
    assert prices["g6.xlarge"].on_demand == 0.805
    assert all(price.source and price.date for price in prices.values())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "speeds": [{"engines": 1}]}']
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="a file"):
        read_profile(text, "a file")


@pytest.mark.parametrize(
    "wrong", [{"speeds": ()}, {"speeds": ((4, 1.0), (1, 2.0))}, {"speeds": ((1, 0.0),)}, {"engines": 0}]
)
def test_a_profile_that_says_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidField):
        replace(PROFILE, **wrong)  # type: ignore[arg-type]


def test_nodes_are_as_many_as_keep_below_the_utilisation_that_is_allowed() -> None:
    plan = make_plan(Demand(hours_per_hour=200), PROFILE)
    assert (plan.nodes, plan.gpus, plan.engines) == (4, 8, 32)  # 200 / (80 * 0.8) = 3.1
    assert plan.most_hours_per_hour == 320
    assert plan.waiting is not None
    assert plan.waiting.utilisation == pytest.approx(200 / 320)


def test_a_limit_on_the_wait_takes_more_nodes() -> None:
    demand = Demand(hours_per_hour=79 * 0.95, max_utilisation=0.99)
    late = make_plan(demand, PROFILE)
    prompt = make_plan(replace(demand, max_p95_wait_s=0.1), PROFILE)
    assert late.nodes == 1
    assert prompt.nodes > late.nodes
    assert prompt.waiting is not None
    assert prompt.waiting.p95_wait_s is not None
    assert prompt.waiting.p95_wait_s <= 0.1


def test_a_peak_takes_an_engine_for_each_job() -> None:
    plan = make_plan(Demand(peak_concurrent=50), PROFILE)
    assert (plan.nodes, plan.waiting) == (7, None)
    assert plan.concurrency_limit == 80


def test_what_a_job_costs_beside_its_audio_takes_capacity() -> None:
    costly = replace(PROFILE, overhead_s=0.25)  # in which 20 s of audio could be done
    assert make_plan(Demand(hours_per_hour=10), costly).most_hours_per_hour == pytest.approx(40)
    long = make_plan(Demand(hours_per_hour=10, length_mean_s=380), costly)
    assert long.most_hours_per_hour == pytest.approx(76)
    assert long.warnings == ("the profile was measured with recordings of 20 s, not 380 s",)


def test_costs_are_of_the_hours_that_are_done() -> None:
    plan = make_plan(Demand(hours_per_hour=200), PROFILE, Price(on_demand=2.0, spot=0.5))
    assert (plan.on_demand.per_hour, plan.on_demand.per_audio_hour) == (8.0, 0.04)
    assert plan.spot.per_audio_minute == pytest.approx(2.0 / 200 / 60)
    unknown = make_plan(Demand(hours_per_hour=200), PROFILE)
    assert unknown.on_demand.per_hour is None


def test_too_few_nodes_that_are_given_wait_without_end() -> None:
    plan = make_plan(Demand(hours_per_hour=200, nodes=1), PROFILE, Price(on_demand=2.0))
    assert plan.waiting is not None
    assert plan.waiting.mean_wait_s is None
    assert plan.on_demand.per_audio_hour == 2.0 / 80
    json.dumps(plan.waiting.mean_wait_s, allow_nan=False)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"hours_per_hour": -1}, {"peak_concurrent": 1, "max_utilisation": 1.0}, {"peak_concurrent": 1, "nodes": -1}],
)
def test_a_demand_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidField):
        Demand(**wrong)  # type: ignore[arg-type]


def test_a_job_runs_on_one_node_however_many_there_are() -> None:
    long = make_plan(Demand(hours_per_hour=1, length_mean_s=200, nodes=10), PROFILE)
    assert long.waiting is not None
    assert long.waiting.mean_service_s == pytest.approx(200 / 80, rel=0.01)  # all engines of that node are lent to it
    short = make_plan(Demand(hours_per_hour=1, nodes=10), PROFILE)
    assert short.waiting is not None
    assert short.waiting.mean_service_s == pytest.approx(20 / 20, rel=0.01)  # one window, one engine


def test_a_demand_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(InvalidField, match="nodes of this kind"):
        make_plan(Demand(hours_per_hour=1e9), PROFILE)


def test_what_the_noise_of_the_profile_would_mean_is_told() -> None:
    demand = Demand(hours_per_hour=76.0, nodes=1)
    plan = make_plan(demand, replace(PROFILE, noise_ratio=0.02))
    slower = make_plan(demand, replace(PROFILE, speeds=((1, 19.6), (4, 58.8), (8, 78.4)), overhead_s=0.0))
    assert plan.waiting == make_plan(demand, PROFILE).waiting
    assert plan.waiting_if_slower == slower.waiting
    never = make_plan(demand, replace(PROFILE, noise_ratio=0.06)).waiting_if_slower
    assert never is not None
    assert never.mean_wait_s is None
    assert make_plan(demand, PROFILE).waiting_if_slower is None


def test_overhead_is_slower_too() -> None:
    assert replace(PROFILE, overhead_s=0.3).slower_by(0.25).overhead_s == pytest.approx(0.4)
