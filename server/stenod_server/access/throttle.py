"""How often: requests of a tenant, and wrong credentials from an address."""

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from stenod_server.domain.quota import TenantLimits, TokenBucket
from stenod_server.errors import QuotaExceeded
from stenod_server.ports import Clock

FAILURES: Final = TenantLimits(requests_per_s=1.0, request_burst=20)
MAX_REMEMBERED: Final = 10_000  # addresses, and credentials: an attacker has more than we have memory

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class RequestRates:
    """Counts the requests of each tenant; a stream is one."""

    def __init__(self, tenants: Mapping[str, TenantLimits], defaults: TenantLimits, clock: Clock) -> None:
        self._tenants = tenants
        self._defaults = defaults
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}  # of tenants that have been authenticated

    def count(self, tenant: str) -> None:
        """Raises QuotaExceeded, saying when to come again."""
        limits = self._tenants.get(tenant, self._defaults)
        if not limits.requests_per_s:
            return
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.get(tenant) or self._buckets.setdefault(tenant, TokenBucket.full(limits, now_s))
        if wait_s := bucket.take(now_s):
            raise QuotaExceeded("requests_per_s", allowed=limits.requests_per_s, retry_after_s=wait_s)


class Guesses:
    """Slows those down who try credentials: an address that was wrong too often is not even looked at for a while.

    Credentials that have been right before are looked at all the same. Or whoever shares an address with others, behind
    a proxy or a NAT, could lock them out by being wrong.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, TokenBucket] = OrderedDict()
        self._proven: OrderedDict[bytes, None] = OrderedDict()

    def check(self, address: str, bearer: str) -> None:
        """Raises QuotaExceeded. What comes without a bearer guesses nothing."""
        bucket = self._failures.get(_network(address))
        if not bearer or bucket is None or _digest(bearer) in self._proven:
            return
        if wait_s := replace(bucket).take(self._clock.monotonic_s()):
            raise QuotaExceeded("failed_authentications", allowed=FAILURES.request_burst, retry_after_s=wait_s)

    def failed(self, address: str) -> None:
        now_s = self._clock.monotonic_s()
        network = _network(address)
        bucket = self._failures.pop(network, None) or TokenBucket.full(FAILURES, now_s)
        bucket.take(now_s)
        _remember(self._failures, network, bucket)

    def succeeded(self, bearer: str) -> None:
        if bearer:
            digest = _digest(bearer)
            self._proven.pop(digest, None)
            _remember(self._proven, digest, None)


def _remember(memory: "OrderedDict[_Key, _Value]", key: _Key, value: _Value) -> None:
    memory[key] = value
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode()).digest()


def _network(address: str) -> str:
    """Of IPv6 the /64, which is what one subscriber has."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address
