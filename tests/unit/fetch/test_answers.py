from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from stenod_server.fetch.answers import MAX_RETRY_AFTER_S, continues_at, length_bytes, retry_after_s, validator

MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "asked_s"),
    [
        ("7", 7),
        ("0", 1),
        ("", 1),
        ("soon", 1),
        ("-5", 1),
        ("99999999999", MAX_RETRY_AFTER_S),
        ("9" * 5000, 1),
        (MODIFIED, 1),
        ("Wed, 01 Jan 2220 00:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Wed, 99 Jan 2020 00:00:00 GMT", 1),
    ],
)
def test_a_retry_is_put_off_as_asked_within_reason(value: str, asked_s: float) -> None:
    assert retry_after_s(value, default_s=1) == asked_s


def test_a_retry_is_put_off_until_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    assert 590 < retry_after_s(format_datetime(soon, usegmt=True), default_s=1) <= 600


@pytest.mark.parametrize(
    ("headers", "strong"),
    [
        ({"etag": '"x"'}, '"x"'),
        ({"etag": 'W/"x"'}, ""),
        ({"etag": "x"}, ""),
        ({"etag": 'W/"x"', "last-modified": MODIFIED, "date": "Wed, 01 Jan 2025 00:00:00 GMT"}, ""),
        ({"last-modified": MODIFIED, "date": "Wed, 01 Jan 2020 00:01:00 GMT"}, MODIFIED),
        ({"last-modified": MODIFIED, "date": "Wed, 01 Jan 2020 00:00:59 GMT"}, ""),
        ({"last-modified": MODIFIED}, ""),
        ({"last-modified": "x", "date": MODIFIED}, ""),
        ({}, ""),
    ],
)
def test_only_a_strong_validator_is_one(headers: dict[str, str], strong: str) -> None:
    assert validator(headers) == strong


def part(content_range: str, code: int = 206) -> httpx.Response:
    return httpx.Response(code, headers={"content-range": content_range})


@pytest.mark.parametrize("content_range", ["bytes 5-9/10", "bytes 5-9/*", "bytes 5-6/10"])
def test_a_part_continues_at_the_same_place_of_the_same_whole(content_range: str) -> None:
    assert continues_at(part(content_range), 5, 10)
    assert not continues_at(part(content_range, 200), 5, 10)


@pytest.mark.parametrize("content_range", ["bytes 4-9/10", "bytes 5-9/11", "bytes */10", "items 5-9/10", "5-9/10", ""])
def test_another_part_does_not(content_range: str) -> None:
    assert not continues_at(part(content_range), 5, 10)


@pytest.mark.parametrize(("value", "size"), [("12", 12), ("", 0), ("x", 0), ("-1", 0)])
def test_an_announced_length_is_a_number_or_none(value: str, size: int) -> None:
    assert length_bytes({"content-length": value}) == size
