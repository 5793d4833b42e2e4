"""Which Triton gets the next window. Channels connect at their first call, so none does here."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from stenod_server.engine.choice import other_than, pick, voices_of
from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE
from stenod_server.engine.pace import Pace
from stenod_server.engine.strikes import OUT_AFTER
from stenod_server.engine.target import Health, Loaded, Target
from stenod_server.errors import EngineUnavailable, ModelNotFound, WindowTimeout


@pytest.fixture
async def targets() -> AsyncIterator[list[Target]]:
    made = [Target(f"127.0.0.1:{port}", {}) for port in (1, 2, 3)]
    for target in made:
        target.health = Health.GOOD
    yield made
    for target in made:
        await target.close()


async def test_the_fewest_windows_in_flight_win(targets: list[Target]) -> None:
    targets[0].in_flight, targets[1].in_flight, targets[2].in_flight = 2, 1, 3
    assert {pick(targets, turn) for turn in range(4)} == {targets[1]}


async def test_equals_take_turns(targets: list[Target]) -> None:
    assert [pick(targets, turn) for turn in range(4)] == [*targets, targets[0]]


async def test_a_suspect_gets_windows_only_where_no_other_is_good(targets: list[Target]) -> None:
    targets[0].doubt(WindowTimeout("slow"))
    targets[1].in_flight = targets[2].in_flight = 9
    assert pick(targets, 0) is targets[1]
    targets[1].health = targets[2].health = Health.ASIDE
    assert pick(targets, 0) is targets[0]


async def test_one_that_died_over_a_window_gets_none_before_it_was_checked(targets: list[Target]) -> None:
    for target in targets:
        target.doubt(EngineUnavailable("it fell over", died=True))
    with pytest.raises(EngineUnavailable, match="it fell over") as raised:
        pick(targets, 0)
    assert raised.value.absent


async def test_no_window_goes_where_no_canary_was_heard(targets: list[Target]) -> None:
    targets[0].health = targets[1].health = Health.ASIDE
    targets[1].problem = EngineUnavailable("it is deaf")
    targets[2].health = Health.UNCHECKED
    with pytest.raises(EngineUnavailable, match=r"it is deaf; Triton at 127\.0\.0\.1:3 was not checked yet") as raised:
        pick(targets, 0)
    assert raised.value.absent


async def test_only_a_triton_that_has_the_model_is_asked_for_it(targets: list[Target]) -> None:
    targets[2].loaded = Loaded({"fake": FAKE_PROFILE}, {"voices": FAKE_VOICE_PROFILE})
    assert {pick(targets, turn, "fake") for turn in range(4)} == {targets[2]}
    assert {pick(targets, turn, "voices", models_of=voices_of) for turn in range(4)} == {targets[2]}
    for wrong in ("other", "voices"):  # a model of voices recognises nothing
        with pytest.raises(ModelNotFound):
            pick(targets, 0, wrong)
    with pytest.raises(ModelNotFound):
        pick(targets, 0, "fake", models_of=voices_of)
    targets[2].health = Health.ASIDE  # whoever had it may come back with it
    with pytest.raises(EngineUnavailable) as raised:
        pick(targets, 0, "fake")
    assert raised.value.absent


def test_without_any_triton_the_caller_is_told() -> None:
    with pytest.raises(EngineUnavailable, match="not running yet"):
        pick([], 0)


async def test_one_that_leaves_gets_no_window(targets: list[Target]) -> None:
    targets[0].is_leaving = targets[1].is_leaving = True
    assert {pick(targets, turn) for turn in range(4)} == {targets[2]}
    targets[2].is_leaving = True
    with pytest.raises(EngineUnavailable):
        pick(targets, 0)


async def test_one_that_is_out_gets_windows_only_where_there_is_no_other(targets: list[Target]) -> None:
    for _ in range(OUT_AFTER):
        targets[0].doubt(WindowTimeout("slow"))
    targets[0].health = Health.GOOD
    targets[1].in_flight = targets[2].in_flight = 9
    assert pick(targets, 0) is targets[1]
    targets[1].health = targets[2].health = Health.ASIDE
    assert pick(targets, 0) is targets[0]


async def test_between_equals_the_slow_one_waits_for_its_turn(targets: list[Target]) -> None:
    for target, seconds in zip(targets, (1.0, 1.5, 4.0), strict=True):
        target.loaded = Loaded({"fake": FAKE_PROFILE}, {})
        target.pace = Pace(iter((0.0, seconds)).__next__)
        with target.pace.window(1.0, "fake"):
            pass
    assert {pick(targets, turn, "fake") for turn in range(6)} == {targets[0], targets[1]}
    targets[0].in_flight = targets[1].in_flight = 1
    assert pick(targets, 0, "fake") is targets[2]


async def test_only_who_is_trusted_and_has_the_same_revision_is_asked_instead(targets: list[Target]) -> None:
    first, same, newer = targets
    for target in targets:
        target.loaded = Loaded({"fake": FAKE_PROFILE}, {})
    newer.loaded = Loaded({"fake": replace(FAKE_PROFILE, revision="newer")}, {})
    assert other_than(targets, first, "fake") == [same]
    same.health = Health.SUSPECT
    assert other_than(targets, first, "fake") == []
