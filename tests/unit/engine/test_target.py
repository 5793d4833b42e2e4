"""What a target makes of what happens to it. Channels connect at their first call, so none does here."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from stenod_server.engine.strikes import OUT_AFTER
from stenod_server.engine.target import Health, Target
from stenod_server.errors import ContractViolation, EngineUnavailable, WindowTimeout
from tests.support.triton import SLEEPER, SLEEPER_PROFILE


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target("127.0.0.1:1", {})
    made.health = Health.GOOD
    yield made
    await made.close()


async def test_doubt_wakes_the_watch_and_does_not_raise_the_dead(target: Target) -> None:
    target.health = Health.ASIDE
    target.doubt(WindowTimeout("slow"))
    assert target.health is Health.ASIDE
    assert target.doubted.is_set()


async def test_one_that_fails_window_after_window_is_not_trusted_though_its_canary_is_heard(target: Target) -> None:
    for _ in range(OUT_AFTER):
        assert target.is_trusted
        target.doubt(WindowTimeout("slow"))
        target.health = Health.GOOD  # as the watch says
    assert (target.is_healthy, target.is_trusted) == (True, False)
    assert (target.failed, target.answered) == (OUT_AFTER, 0)


async def test_an_answer_in_between_counts_for_it(target: Target) -> None:
    for _ in range(3):
        for _ in range(OUT_AFTER - 1):
            target.doubt(EngineUnavailable("the GPU is sick"))
        target.trust()
    target.health = Health.GOOD
    assert target.is_trusted


async def test_it_is_idle_while_no_window_is_there(target: Target) -> None:
    with target.window(), target.window():
        assert (target.in_flight, target.idle.is_set()) == (2, False)
    assert (target.in_flight, target.idle.is_set()) == (0, True)


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
