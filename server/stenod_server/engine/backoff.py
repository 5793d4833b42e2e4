"""How long to wait before the next try. Pure: the chance is an argument."""

import random
from collections.abc import Callable


class Backoff:
    """Doubles from `initial_s` to `maximum_s`; half of each wait is chance, so that many nodes do not knock at once."""

    def __init__(self, *, initial_s: float, maximum_s: float, chance: Callable[[], float] = random.random) -> None:
        self._initial_s = initial_s
        self._maximum_s = maximum_s
        self._chance = chance
        self._tries = 0

    def next_s(self) -> float:
        """The wait before the next try, in seconds."""
        # The exponent is capped: 2.0**1024 overflows after some hours of tries.
        full_s = min(self._maximum_s, self._initial_s * 2.0 ** min(self._tries, 60))
        self._tries += 1
        return full_s / 2 * (1 + self._chance())

    def reset(self) -> None:
        self._tries = 0
