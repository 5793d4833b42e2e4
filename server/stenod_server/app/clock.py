"""The real time."""

from datetime import UTC, datetime
from time import monotonic


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return monotonic()
