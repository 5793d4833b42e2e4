"""Whether anybody still waits for a window."""

import time
from collections.abc import Callable
from typing import Final

ASK_EVERY_S: Final = 0.25  # a window is in work for about as long; its next one is not begun with in any case


class Cancellation:
    """A model may look between any two steps; asked is only now and then, for the question goes to another process and
    back: 0.1 ms and more, which is as long as a step of some models takes.
    """

    def __init__(self, ask: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._ask_again_s = 0.0
        self._is_cancelled = False

    def __call__(self) -> bool:
        """What was known last; asked again where that is `ASK_EVERY_S` old. Who is cancelled stays so."""
        if not self._is_cancelled and self._clock() >= self._ask_again_s:
            self._ask_again_s = self._clock() + ASK_EVERY_S
            self._is_cancelled = self._ask()
        return self._is_cancelled
