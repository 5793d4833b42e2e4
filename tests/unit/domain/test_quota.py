from datetime import UTC, datetime, timedelta, timezone

import pytest

from stenod_server.domain.quota import until_next_day_s

MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expected_s"),
    [
        (MIDNIGHT, 86_400.0),
        (MIDNIGHT - timedelta(microseconds=1), 1e-6),
        (MIDNIGHT + timedelta(hours=18), 6 * 3600.0),
        (datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), 3600.0),  # 23:00 of the day before, in UTC
    ],
)
def test_the_day_ends_at_midnight_in_utc(now: datetime, expected_s: float) -> None:
    assert until_next_day_s(now) == expected_s
