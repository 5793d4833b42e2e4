import pytest

from stenod_server.domain.job import Failure
from stenod_server.domain.retry import RetryPolicy, failure_of
from stenod_server.errors import DecoderDied, EngineUnavailable, NoAudio, StenodError, UnsupportedMedia, WindowTimeout

POLICY = RetryPolicy(attempts=3, first_s=2.0, factor=4.0, max_s=20.0, jitter_ratio=0.25)


@pytest.mark.parametrize("kind", [EngineUnavailable, WindowTimeout, DecoderDied])
def test_what_passes_is_tried_again_until_the_attempts_are_used(kind: type[StenodError]) -> None:
    failure = failure_of(kind("gone"))
    assert [POLICY.allows(failure, attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize("kind", [UnsupportedMedia, NoAudio])
def test_bad_input_is_never_tried_again(kind: type[StenodError]) -> None:
    assert failure_of(kind("noise")) == Failure(kind.reason, "noise", retryable=False)
    assert not POLICY.allows(failure_of(kind("noise")), 1)


def test_the_delay_grows_to_its_limit() -> None:
    assert [POLICY.delay_s(attempt, 0.5) for attempt in (1, 2, 3, 4)] == [2.0, 8.0, 20.0, 20.0]


def test_jitter_spreads_to_either_side() -> None:
    assert (POLICY.delay_s(1, 0.0), POLICY.delay_s(1, 1.0)) == (1.5, 2.5)
