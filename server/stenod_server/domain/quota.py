"""What a tenant may use, and the bucket that its requests are counted with. Pure: time is an argument."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLimits:
    """What a tenant may use; 0 = as much as there is. `weight` is its turns per round where others wait too.

    `request_burst` requests may come at once before `requests_per_s` counts (0: two seconds' worth).
    """

    max_queued_jobs: int = 0
    max_running_engines: int = 0
    audio_hours_per_day: float = 0.0
    requests_per_s: float = 0.0
    request_burst: int = 0
    weight: float = 1.0


NO_LIMITS: Final = TenantLimits()


def until_next_day_s(now: datetime) -> float:
    """Seconds to the next midnight in UTC, when what is counted by day begins anew."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1) - now).total_seconds()


@dataclass(slots=True)
class TokenBucket:
    """A token for each request: `rate_per_s` of them come in, at most `burst` are kept. `at_s` is monotonic."""

    rate_per_s: float
    burst: float
    tokens: float
    at_s: float

    @classmethod
    def full(cls, limits: TenantLimits, now_s: float) -> "TokenBucket":
        burst = max(1.0, limits.request_burst or 2 * limits.requests_per_s)
        return cls(limits.requests_per_s, burst, burst, now_s)

    def take(self, now_s: float) -> float:
        """Take a token; gives 0, or the seconds until there is one to take."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.rate_per_s)
        self.at_s = now_s
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.rate_per_s
