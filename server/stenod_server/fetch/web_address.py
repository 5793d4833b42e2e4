"""Reading http(s) addresses. What two readers could understand differently is refused, not guessed at."""

import re
from typing import Final

import httpx

from stenod_server.errors import InvalidField
from stenod_server.fetch.addresses import literal

SCHEMES: Final = ("https", "http")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
MAX_NAME_CHARACTERS: Final = 253


def parse(uri: str, field: str = "media.uri") -> httpx.URL:
    """Raises InvalidField. Any port will do: an address is public as a whole, or closed as a whole."""
    try:
        url = httpx.URL(uri)
    except httpx.InvalidURL as error:
        raise InvalidField(field, "is not an address") from error
    if url.scheme not in SCHEMES:
        raise InvalidField(field, "is not an http(s) address")
    if not _is_host(host_of(url)):
        raise InvalidField(field, "its host is neither a name nor an IP address in the usual form")
    if not 0 < port_of(url) <= 65_535:
        raise InvalidField(field, "its port is not within 1 … 65535")
    return url


def host_of(url: httpx.URL) -> str:
    """As it goes over the wire: international names encoded, IPv6 addresses without brackets."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    return _DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def is_same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, host_of(one), port_of(one)) == (other.scheme, host_of(other), port_of(other))


def _is_host(host: str) -> bool:
    """`127.1`, `0x7f000001` and `2130706433` are addresses to some readers and names to others."""
    if "%" in host or len(host) > MAX_NAME_CHARACTERS:
        return False
    if ":" in host or _NUMBER.fullmatch(host):
        return literal(host) is not None
    return _NAME.fullmatch(host) is not None
