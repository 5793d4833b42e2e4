"""The headers that a caller may have sent along. No message repeats any of them."""

import base64
import re
from collections.abc import Sequence
from typing import Final

import httpx

from stenod_server.errors import InvalidField, LimitExceeded

Headers = Sequence[tuple[str, str]]

MAX_HEADERS: Final = 16
MAX_VALUE_CHARACTERS: Final = 8192
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?|")
# Said by the server itself, or about the connection alone.
_OWN: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_DEFAULTS: Final[Headers] = (
    ("User-Agent", "stenod"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),  # recordings are compressed already, and ranges then count the media's own bytes
    ("Connection", "close"),  # every connection is for one request to one judged address
)


def check(headers: Headers, field: str = "media.headers", *, own: frozenset[str] = frozenset()) -> None:
    """`own`: names that are ours to say, beside those of every request. Raises LimitExceeded, InvalidField."""
    if len(headers) > MAX_HEADERS:
        raise LimitExceeded(field, limit="headers of a request", allowed=MAX_HEADERS, actual=len(headers))
    for place, (name, value) in enumerate(headers, start=1):
        if not _NAME.fullmatch(name):
            raise InvalidField(field, f"the name of header {place} is not one")
        if name.lower() in _OWN | own or name.lower().startswith("proxy-"):
            raise InvalidField(field, f"header {place} is one that the server sets itself, or never sends")
        if len(value) > MAX_VALUE_CHARACTERS:
            raise LimitExceeded(field, limit="characters of a header", allowed=MAX_VALUE_CHARACTERS, actual=len(value))
        if not _VALUE.fullmatch(value):
            raise InvalidField(field, f"the value of header {place} is not plain ASCII")


def with_user(url: httpx.URL, headers: Headers, field: str = "media.headers") -> Headers:
    """A user and password in the address become the header they stand for. Raises InvalidField."""
    if not url.userinfo:
        return headers
    if any(name.lower() == "authorization" for name, _ in headers):
        raise InvalidField(field, "authorization is given beside a user in the address")
    token = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    return (*headers, ("Authorization", f"Basic {token}"))


def to_send(headers: Headers) -> Headers:
    """With what every request carries, as far as the caller does not say it."""
    given = {name.lower() for name, _ in headers}
    return (*((name, value) for name, value in _DEFAULTS if name.lower() not in given), *headers)
