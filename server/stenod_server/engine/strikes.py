"""A Triton whose canary is heard may fail the windows all the same: a sick GPU, a queue that is always full. Pure."""

import time
from collections.abc import Callable
from typing import Final

from stenod_server.engine.backoff import Backoff

OUT_AFTER: Final = 5  # windows that failed in a row
_OUT_INITIAL_S: Final = 1.0
_OUT_MAXIMUM_S: Final = 60.0


class Strikes:
    """Who fails `OUT_AFTER` windows in a row is out for a while: it gets windows only where there is no other. Then one
    window decides: a failure puts it out for longer, a success clears it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._backoff = Backoff(initial_s=_OUT_INITIAL_S, maximum_s=_OUT_MAXIMUM_S)
        self._in_row = 0
        self._out_until_s: float | None = None

    @property
    def are_out(self) -> bool:
        return self._out_until_s is not None and self._clock() < self._out_until_s

    def failed(self) -> bool:
        """Count a failure; whether this one put it out. What was under way when it was put out is not counted again."""
        if self.are_out:
            return False
        self._in_row += 1
        if self._in_row < OUT_AFTER:
            return False
        self._in_row = OUT_AFTER - 1
        self._out_until_s = self._clock() + self._backoff.next_s()
        return True

    def succeeded(self) -> None:
        if not self.are_out:
            self._in_row = 0
            self._backoff.reset()
