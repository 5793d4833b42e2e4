"""What an origin's answers mean."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from stenod_server.errors import FetchFailed, MediaNotFound

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PASSING: Final = frozenset({408, 421, 425, 429, *range(500, 600)})
MAX_RETRY_AFTER_S: Final = 3600.0  # an origin must not park a job for a year
_CLOCK_DOUBT: Final = timedelta(minutes=1)
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


def refusal(response: httpx.Response, address: str) -> FetchFailed | MediaNotFound:
    """An answer without the media as an error: FetchFailed where asking again may help, else MediaNotFound."""
    message = f"{address} answered with HTTP status {response.status_code}"
    if response.status_code not in PASSING:
        return MediaNotFound(message)
    failure = FetchFailed(message)
    failure.retry_after_s = retry_after_s(response.headers.get("retry-after", ""), default_s=failure.retry_after_s)
    return failure


def retry_after_s(value: str, *, default_s: float) -> float:
    """What `Retry-After` asks for, within reason."""
    try:
        asked_s = float(int(value)) if value.isdecimal() else (_date(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return default_s
    return min(max(asked_s, default_s), MAX_RETRY_AFTER_S)


def length_bytes(headers: Mapping[str, str]) -> int:
    """What `Content-Length` says; 0 where it says nothing."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else 0


def validator(headers: Mapping[str, str]) -> str:
    """What tells for sure that the bytes are still the same (RFC 9110, 8.8 and 13.1.5); empty where nothing does."""
    tag = headers.get("etag", "")
    if tag.startswith('"'):
        return tag
    modified = headers.get("last-modified", "")
    try:
        is_strong = _date(headers.get("date", "")) - _date(modified) >= _CLOCK_DOUBT
    except ValueError:
        return ""
    return modified if is_strong and not tag else ""


def continues_at(response: httpx.Response, offset_bytes: int, total_bytes: int) -> bool:
    """Whether a partial answer goes on where the last one broke off, in the same whole (`total_bytes` 0: unknown)."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or found is None or int(found[1]) != offset_bytes:
        return False
    return not total_bytes or found[2] == "*" or int(found[2]) == total_bytes


def _date(value: str) -> datetime:
    """Raises ValueError."""
    moment = parsedate_to_datetime(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
