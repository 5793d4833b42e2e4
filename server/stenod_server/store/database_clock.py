"""`DatabaseClock`: the time of the database's clock, which all nodes of a cluster share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

PATIENCE_S: Final = 60.0  # after so long without a better measurement, one that took longer is taken


class DatabaseClock:
    """Implements `ports.Clock`. Between measurements time goes on at the pace of this machine's monotonic clock: a
    wall clock that is set here moves no lease. Before the first one it is this machine's time.
    """

    def __init__(self, monotonic_s: Callable[[], float] = monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._base = datetime.now(UTC) - timedelta(seconds=monotonic_s())
        self._error_s = float("inf")  # half of how long the answer took: it may be wrong by so much
        self._at_s = float("-inf")

    def now(self) -> datetime:
        return self._base + timedelta(seconds=self._monotonic_s())

    def monotonic_s(self) -> float:
        return self._monotonic_s()

    def measured(self, time: datetime, *, asked_s: float, answered_s: float) -> None:
        """The database said `time` somewhen between. A slow answer does not spoil a better one, for a while; unless
        the two cannot both be right: then one of the clocks was set.
        """
        error_s = (answered_s - asked_s) / 2
        base = time - timedelta(seconds=(asked_s + answered_s) / 2)
        differs_s = abs((base - self._base).total_seconds())
        is_better = error_s <= self._error_s or answered_s - self._at_s >= PATIENCE_S
        if is_better or differs_s > error_s + self._error_s:
            self._base, self._error_s, self._at_s = base, error_s, answered_s
