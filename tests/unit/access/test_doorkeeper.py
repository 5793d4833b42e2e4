"""The door: places, callers, scopes, rates; what strangers may try, and how often."""

from collections.abc import Mapping

import pytest

from stenod_server.access.doorkeeper import Doorkeeper, DoorLimits
from stenod_server.access.throttle import FAILURES, MAX_REMEMBERED, Guesses
from stenod_server.domain.access import Credentials, Principal, Scope
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.errors import PermissionDenied, QuotaExceeded, TooManyCalls, Unauthenticated, Unavailable
from tests.support.builders import FakeClock

READER = Principal("newsroom", "key:a", frozenset({Scope.READ}))
ADMIN = Principal("archive", "key:b", frozenset({Scope.ADMIN}))
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Known:
    """Knows callers by their bearers; without the issuer's keys it knows nobody."""

    def __init__(self, callers: Mapping[str, Principal]) -> None:
        self.callers = dict(callers)
        self.asked = 0
        self.is_cut_off = False

    async def authenticate(self, credentials: Credentials) -> Principal:
        self.asked += 1
        if self.is_cut_off:
            raise Unavailable("the keys cannot be fetched")
        try:
            return self.callers[credentials.bearer]
        except KeyError:
            raise Unauthenticated("no") from None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def known() -> Known:
    return Known({"right": READER, "also right": ADMIN})


def _door(known: Known, clock: FakeClock, *, max_calls: int = 2, **tenants: TenantLimits) -> Doorkeeper:
    return Doorkeeper(known, DoorLimits(max_calls=max_calls, tenants=tenants, tenant_defaults=NO_LIMITS), clock)


async def _is_refused(door: Doorkeeper, bearer: str, address: str = HERE) -> bool:
    """Whether it is told to come again later; else it is looked at, and found wrong."""
    try:
        await door.identify(Credentials(bearer=bearer), address)
    except QuotaExceeded as error:
        return error.quota == "failed_authentications" and error.retry_after_s > 0
    except Unauthenticated:
        return False
    return False


def test_a_call_too_many_is_refused_and_a_place_that_is_left_is_free(known: Known, clock: FakeClock) -> None:
    door = _door(known, clock)
    door.enter()
    door.enter()

    with pytest.raises(TooManyCalls):
        door.enter()
    door.leave()
    door.enter()


def test_a_scope_is_needed_and_admin_has_all(known: Known, clock: FakeClock) -> None:
    door = _door(known, clock)

    door.permit(READER, "GetJob", Scope.READ)
    for scope in Scope:
        door.permit(ADMIN, "Any", scope)
    with pytest.raises(PermissionDenied, match=r"^SubmitJob needs the scope 'submit'$"):
        door.permit(READER, "SubmitJob", Scope.SUBMIT)


def test_each_tenant_has_a_rate_of_its_own_and_what_is_denied_does_not_count(known: Known, clock: FakeClock) -> None:
    door = _door(known, clock, newsroom=TenantLimits(requests_per_s=2.0, request_burst=3))
    for _ in range(3):
        door.permit(READER, "GetJob", Scope.READ)

    with pytest.raises(QuotaExceeded) as caught:
        door.permit(READER, "GetJob", Scope.READ)
    assert (caught.value.quota, caught.value.retry_after_s) == ("requests_per_s", 0.5)
    door.permit(ADMIN, "GetJob", Scope.READ)
    clock.advance(0.5)
    with pytest.raises(PermissionDenied):
        door.permit(READER, "SubmitJob", Scope.SUBMIT)
    door.permit(READER, "GetJob", Scope.READ)


async def test_who_guesses_is_slowed_down_and_nobody_else_is(known: Known, clock: FakeClock) -> None:
    door = _door(known, clock)
    assert not await _is_refused(door, "right")  # proven before the guesses begin
    for number in range(FAILURES.request_burst):
        assert not await _is_refused(door, f"guess {number}")
    asked = known.asked

    assert await _is_refused(door, "guess")
    assert await _is_refused(door, "also right")  # right, as it happens: not even looked at
    assert known.asked == asked
    assert not await _is_refused(door, "right")
    assert not await _is_refused(door, "")  # guesses nothing
    assert not await _is_refused(door, "guess", THERE)
    clock.advance(1.0 / FAILURES.requests_per_s)
    assert not await _is_refused(door, "guess")
    assert await _is_refused(door, "guess")


async def test_credentials_that_cannot_be_judged_are_no_guess(known: Known, clock: FakeClock) -> None:
    door = _door(known, clock)
    known.is_cut_off = True
    for _ in range(2 * FAILURES.request_burst):
        with pytest.raises(Unavailable):
            await door.identify(Credentials(bearer="right"), HERE)
    known.is_cut_off = False

    assert (await door.identify(Credentials(bearer="right"), HERE)) == READER


def test_an_ipv6_guesser_has_one_allowance_for_all_addresses_of_its_network(clock: FakeClock) -> None:
    guesses = Guesses(clock)
    for number in range(FAILURES.request_burst):
        guesses.failed(f"2001:db8:0:1::{number:x}")

    with pytest.raises(QuotaExceeded):
        guesses.check("2001:db8:0:1:ffff::1", "guess")
    guesses.check("2001:db8:0:2::1", "guess")


def test_what_is_remembered_of_guessers_is_bounded(clock: FakeClock) -> None:
    guesses = Guesses(clock)
    for number in range(MAX_REMEMBERED + 10):
        guesses.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        guesses.succeeded(f"right {number}")

    assert len(guesses._failures) == len(guesses._proven) == MAX_REMEMBERED
