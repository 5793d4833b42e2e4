"""Which Triton gets the next window. Channels connect at their first call, so none does here."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE
from stenod_server.engine.target import Health, Loaded, Target, pick, voices_of
from stenod_server.errors import ContractViolation, EngineUnavailable, ModelNotFound, WindowTimeout
from tests.support.triton import SLEEPER, SLEEPER_PROFILE


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


async def test_doubt_wakes_the_watch_and_does_not_raise_the_dead(targets: list[Target]) -> None:
    targets[0].health = Health.ASIDE
    targets[0].doubt(WindowTimeout("slow"))
    assert targets[0].health is Health.ASIDE
    assert targets[0].doubted.is_set()


class _Configured(Target):
    """Has models of these names, each with one parameter of its config and what it says."""

    parameters: dict[str, tuple[str, str]]

    async def _call(self, method: Any, request: Any) -> Any:
        del method
        if isinstance(request, service_pb2.ModelStatisticsRequest):
            return service_pb2.ModelStatisticsResponse(model_stats=[{"name": name} for name in self.parameters])
        answer = service_pb2.ModelConfigResponse()
        key, text = self.parameters[request.name]
        answer.config.parameters[key].string_value = text
        return answer


async def test_a_profile_of_voices_that_cannot_be_read_costs_that_model_alone() -> None:
    target = _Configured("127.0.0.1:1", {})
    good = ("profile", SLEEPER_PROFILE.to_json())
    target.parameters = {SLEEPER: good, "newer": ("voices_profile", '{"of": "another release"}')}
    loaded = await target.read_loaded()
    assert (loaded.names, list(loaded.broken)) == ([SLEEPER], ["newer"])
    assert "the profile of newer" in str(loaded.broken["newer"])
    target.parameters = {SLEEPER: ("profile", "{}")}
    with pytest.raises(ContractViolation, match=f"the profile of {SLEEPER}"):
        await target.read_loaded()
    await target.close()
