"""Who is let in: a place for the call, a known caller, the scope that the method needs, and not too often."""

from collections.abc import Mapping
from dataclasses import dataclass

from stenod_server.access.throttle import Guesses, RequestRates
from stenod_server.domain.access import Credentials, Principal, Scope
from stenod_server.domain.quota import TenantLimits
from stenod_server.errors import PermissionDenied, TooManyCalls, Unauthenticated
from stenod_server.ports import Authenticator, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """`max_calls` are answered at a time, streams among them; tenants have quotas of their own, or the defaults."""

    max_calls: int
    tenants: Mapping[str, TenantLimits]
    tenant_defaults: TenantLimits


class Doorkeeper:
    """Decides on every call before anything of it is read but its headers (AIP-211)."""

    def __init__(self, authenticator: Authenticator, limits: DoorLimits, clock: Clock) -> None:
        self._authenticator = authenticator
        self._max_calls = limits.max_calls
        self._rates = RequestRates(limits.tenants, limits.tenant_defaults, clock)
        self._guesses = Guesses(clock)
        self._calls = 0

    def enter(self) -> None:
        """Take a place, to be given back by `leave`. Raises TooManyCalls; a call never waits for a place."""
        if self._calls >= self._max_calls:
            raise TooManyCalls(self._max_calls)
        self._calls += 1

    def leave(self) -> None:
        self._calls -= 1

    async def identify(self, credentials: Credentials, address: str) -> Principal:
        """Raises Unauthenticated, QuotaExceeded (too many wrong credentials from this address), Unavailable."""
        self._guesses.check(address, credentials.bearer)
        try:
            principal = await self._authenticator.authenticate(credentials)
        except Unauthenticated:
            if credentials.bearer:
                self._guesses.failed(address)
            raise
        self._guesses.succeeded(credentials.bearer)
        return principal

    def permit(self, principal: Principal, method: str, scope: Scope) -> None:
        """Raises PermissionDenied, QuotaExceeded (the tenant's requests)."""
        if not principal.may(scope):
            raise PermissionDenied(method, scope)
        self._rates.count(principal.tenant)
