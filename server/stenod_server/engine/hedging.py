"""A window that takes much longer than windows of its size do is asked of a second Triton; the first answer wins.

What it costs is bounded: `ratio` of the windows may be asked twice, and no more.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from stenod_server.engine.target import Target
from stenod_server.errors import ContractViolation, Unavailable

_MEMORY_WINDOWS: Final = 128
_LEAST_WINDOWS: Final = 20  # before anything is said of how long they take
_MOST_SAVED: Final = 10.0  # windows: a quiet hour does not pay for a storm
_EARLIEST_QUANTILE: Final = 0.95
_LATEST_QUANTILE: Final = 0.99

_Result = TypeVar("_Result")
Sleep = Callable[[float], Awaitable[None]]
_Size = tuple[str, int]


class Latencies:
    """How long one Triton takes over windows, by model and size: those of 8 to 16 s are alike, and so on."""

    def __init__(self) -> None:
        self._recent: dict[_Size, deque[float]] = {}

    def note(self, model: str, audio_s: float, took_s: float) -> None:
        self._recent.setdefault(_size(model, audio_s), deque(maxlen=_MEMORY_WINDOWS)).append(took_s)

    def quantile_s(self, model: str, audio_s: float, quantile: float) -> float | None:
        """None: too few windows of that size were answered."""
        recent = sorted(self._recent.get(_size(model, audio_s), ()))
        return recent[math.ceil(quantile * len(recent)) - 1] if len(recent) >= _LEAST_WINDOWS else None


class Budget:
    """A bucket of tokens: each window puts `ratio` of one in, each second question takes one out."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._saved = 0.0

    @property
    def fullness(self) -> float:
        """0..1."""
        return self._saved / _MOST_SAVED

    def earn(self) -> None:
        self._saved = min(_MOST_SAVED, self._saved + self._ratio)

    def spend(self) -> bool:
        """Whether there was one to be spent."""
        # 20 times 0.05 is a little less than 1.
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class Sized:
    """What a window's time depends on."""

    model: str
    audio_s: float


class Hedging:
    """`ratio` 0: nobody is asked twice. `asked` and `won` count second questions."""

    def __init__(self, ratio: float, *, sleep: Sleep = asyncio.sleep) -> None:
        self.asked = self.won = 0
        self._is_on = ratio > 0.0
        self._budget = Budget(ratio)
        self._latencies: dict[Target, Latencies] = {}
        self._sleep = sleep

    def note(self, target: Target, window: Sized, took_s: float) -> None:
        """A window was answered there."""
        if self._is_on:
            self._latencies.setdefault(target, Latencies()).note(window.model, window.audio_s, took_s)

    def keep(self, targets: tuple[Target, ...]) -> None:
        """Forget all others."""
        self._latencies = {target: found for target, found in self._latencies.items() if target in targets}

    async def ask(
        self,
        ask: Callable[[Target], Coroutine[Any, Any, _Result]],
        first: Target,
        others: Callable[[], list[Target]],
        window: Sized,
    ) -> _Result:
        """What `first` answers, or a second one of the `others` where that is quicker. Raises what `ask` raises.

        When to ask again: once it has taken longer than nearly all windows of that size take at one of the others. To
        measure it by `first` would call slow normal. While the budget is scarce it is kept for those that wait longest;
        who finds none left looks again.
        """
        self._budget.earn()
        expected = self._expected(others(), window) if self._is_on else []
        after_s = min((after_s for after_s, _ in expected), default=None)
        if after_s is None:
            return await ask(first)

        def ask_again() -> Coroutine[Any, Any, _Result] | None:
            quickest = min(self._expected(others(), window), default=None, key=lambda found: found[0])
            if quickest is None or not self._budget.spend():
                return None
            self.asked += 1
            return ask(quickest[1])

        result, was_second = await race(ask(first), ask_again, lambda: self._sleep(after_s))
        if was_second:
            self.won += 1
            first.falls_behind()
        return result

    def _expected(self, targets: list[Target], window: Sized) -> list[tuple[float, Target]]:
        """How long nearly all windows of that size take there, where that is known."""
        quantile = _LATEST_QUANTILE - (_LATEST_QUANTILE - _EARLIEST_QUANTILE) * self._budget.fullness
        found = [(self._latencies[target], target) for target in targets if target in self._latencies]
        told = [(one.quantile_s(window.model, window.audio_s, quantile), target) for one, target in found]
        return [(seconds, target) for seconds, target in told if seconds is not None]


async def race(
    first: Coroutine[Any, Any, _Result],
    ask_again: Callable[[], Coroutine[Any, Any, _Result] | None],
    patience: Callable[[], Awaitable[None]],
) -> tuple[_Result, bool]:
    """The first good answer, and whether it is the second's; the other is cancelled. Raises the first's problem where
    both fail, and at once what another one would say, too. `ask_again` is called each time that `patience` is over,
    until it asks.
    """
    leader = asyncio.create_task(first)
    tasks: set[asyncio.Future[Any]] = {leader}
    try:
        again = None
        while again is None:
            timer = asyncio.ensure_future(patience())
            tasks.add(timer)
            await asyncio.wait({leader, timer}, return_when=asyncio.FIRST_COMPLETED)
            if leader.done():
                return leader.result(), False
            tasks.discard(timer)
            again = ask_again()
        chaser = asyncio.create_task(again)
        tasks.add(chaser)
        return await _first_good(leader, chaser)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_good(leader: asyncio.Task[_Result], chaser: asyncio.Task[_Result]) -> tuple[_Result, bool]:
    running = {leader, chaser}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for answered in sorted(done, key=lambda task: task is chaser):
            if not isinstance(answered.exception(), (Unavailable, ContractViolation)):
                return answered.result(), answered is chaser
    return leader.result(), False


def _size(model: str, audio_s: float) -> _Size:
    return model, math.ceil(math.log2(max(audio_s, 1.0)))
