"""A wall clock that is not believed at once when it jumps ahead.

What is forgotten by the wall clock is gone: a clock that is set a year ahead by mistake would end every retention in
one round. So time goes on at the pace of the monotonic clock until the new time has lasted. A clock that falls back
forgets nothing too early, and is believed at once.
"""

from datetime import datetime, timedelta
from typing import Final

from stenod_server.ports import Clock

JUMP: Final = timedelta(minutes=5)  # more ahead of the pace than that is a jump; less is a clock being put right
LASTED_S: Final = 3600.0


class SteadyTime:
    """The first reading is believed: there is nothing to hold it against."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now: datetime | None = None
        self._at_s = 0.0
        self._doubted_since_s: float | None = None

    def now(self) -> datetime:
        wall, at_s = self._clock.now(), self._clock.monotonic_s()
        paced = wall if self._now is None else self._now + timedelta(seconds=at_s - self._at_s)
        self._now, self._at_s = self._judged(wall, paced, at_s), at_s
        return self._now

    @property
    def is_doubted(self) -> bool:
        """Whether the clock is ahead, and not believed yet."""
        return self._doubted_since_s is not None

    def _judged(self, wall: datetime, paced: datetime, at_s: float) -> datetime:
        if wall - paced <= JUMP:
            self._doubted_since_s = None
            return wall
        if self._doubted_since_s is None:
            self._doubted_since_s = at_s
        if at_s - self._doubted_since_s < LASTED_S:
            return paced
        self._doubted_since_s = None
        return wall
