"""How fast one Triton answers, and so how long it may be silent. Pure but for the clock."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

_MEMORY_WINDOWS: Final = 256
_LEAST_AUDIO_S: Final = 1.0  # a window costs something, however short it is
_QUANTILE: Final = 0.95
_NEWEST_WEIGHT: Final = 0.2  # of what is usual: a Triton that was slow for a while is not slow for ever


@dataclass(slots=True)
class _ModelPace:
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_MEMORY_WINDOWS))
    in_flight_s: float = 0.0
    in_flight: int = 0
    usual: float | None = None

    def expected_s(self) -> float:
        slow = sorted(self.recent)[int(_QUANTILE * (len(self.recent) - 1))]
        return slow * max(self.in_flight_s, _LEAST_AUDIO_S)


class Pace:
    """The pace of a window is the time to its answer over the seconds of audio that were in flight when it was sent.

    Measured so, a Triton that was idle until now says what it will need under load: at worst it works off one window
    after the other. Each model has its own: a large one may take a hundred times as long as a small one beside it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._models: dict[str, _ModelPace] = {}
        self.answers = 0

    @contextmanager
    def window(self, audio_s: float, model: str = "") -> Iterator[None]:
        """Around one window, sent to answered; one that fails tells nothing of the pace."""
        audio_s = max(audio_s, _LEAST_AUDIO_S)
        of_model = self._models.setdefault(model, _ModelPace())
        of_model.in_flight += 1
        of_model.in_flight_s += audio_s
        load_s, sent_s = of_model.in_flight_s, self._clock()
        try:
            yield
        finally:
            of_model.in_flight -= 1
            of_model.in_flight_s -= audio_s
        self.answers += 1
        pace = (self._clock() - sent_s) / load_s
        of_model.recent.append(pace)
        before = pace if of_model.usual is None else of_model.usual
        of_model.usual = before + _NEWEST_WEIGHT * (pace - before)

    def usual(self, model: str) -> float | None:
        """Seconds for a second of audio in flight, lately; None: it has not answered for that model yet."""
        found = self._models.get(model)
        return found.usual if found else None

    def expected_s(self) -> float | None:
        """When all that is in flight should be answered, as slowly as one window in twenty was; None: no idea yet, for
        one of the models at work has never answered.
        """
        busy = [model for model in self._models.values() if model.in_flight]
        asked = busy or [model for model in self._models.values() if model.recent]
        if not asked or not all(model.recent for model in asked):
            return None
        return sum(model.expected_s() for model in asked)
