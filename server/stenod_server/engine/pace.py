"""How fast one Triton answers, and so how long it may be silent. Pure but for the clock."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_MEMORY_WINDOWS: Final = 256
_LEAST_AUDIO_S: Final = 1.0  # a window costs something, however short it is
_QUANTILE: Final = 0.95


class Pace:
    """The pace of a window is the time to its answer over the seconds of audio that were in flight when it was sent.

    Measured so, a Triton that was idle until now says what it will need under load: at worst it works off one window
    after the other.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=_MEMORY_WINDOWS)
        self._in_flight_s = 0.0
        self.answers = 0

    @contextmanager
    def window(self, audio_s: float) -> Iterator[None]:
        """Around one window, sent to answered; one that fails tells nothing of the pace."""
        audio_s = max(audio_s, _LEAST_AUDIO_S)
        self._in_flight_s += audio_s
        load_s, sent_s = self._in_flight_s, self._clock()
        try:
            yield
        finally:
            self._in_flight_s -= audio_s
        self.answers += 1
        self._recent.append((self._clock() - sent_s) / load_s)

    def expected_s(self) -> float | None:
        """When all that is in flight should be answered, as slowly as one window in twenty was; None: no idea yet."""
        if not self._recent:
            return None
        slow = sorted(self._recent)[int(_QUANTILE * (len(self._recent) - 1))]
        return slow * max(self._in_flight_s, _LEAST_AUDIO_S)
