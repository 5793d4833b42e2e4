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
        self._quantile = min(max(1.0 - ratio, _EARLIEST_QUANTILE), _LATEST_QUANTILE)
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
        measure it by `first` would call slow normal.
        """
        self._budget.earn()
        after_s = self._patience_s(others(), window) if self._is_on else None
        if after_s is None:
            return await ask(first)

        def ask_again() -> Coroutine[Any, Any, _Result] | None:
            known = [one for one in others() if self._expected_s(one, window) is not None]
            if not known or not self._budget.spend():
                return None
            self.asked += 1
            return ask(min(known, key=lambda one: one.in_flight))

        result, was_second = await race(ask(first), ask_again, self._sleep(after_s))
        self.won += was_second
        return result

    def _patience_s(self, others: list[Target], window: Sized) -> float | None:
        found = [expected_s for one in others if (expected_s := self._expected_s(one, window)) is not None]
        return min(found, default=None)

    def _expected_s(self, target: Target, window: Sized) -> float | None:
        found = self._latencies.get(target)
        return found.quantile_s(window.model, window.audio_s, self._quantile) if found else None


async def race(
    first: Coroutine[Any, Any, _Result],
    ask_again: Callable[[], Coroutine[Any, Any, _Result] | None],
    patience: Awaitable[None],
) -> tuple[_Result, bool]:
    """The first good answer, and whether it is the second's; the other is cancelled. Raises the first's problem where
    both fail, and at once what another one would say, too.
    """
    leader = asyncio.create_task(first)
    timer = asyncio.ensure_future(patience)
    tasks: list[asyncio.Future[Any]] = [leader, timer]
    try:
        await asyncio.wait({leader, timer}, return_when=asyncio.FIRST_COMPLETED)
        again = None if leader.done() else ask_again()
        if again is None:
            return await leader, False
        chaser = asyncio.create_task(again)
        tasks.append(chaser)
        running = {leader, chaser}
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for answered in sorted(done, key=lambda task: task is chaser):
                if not isinstance(answered.exception(), (Unavailable, ContractViolation)):
                    return answered.result(), answered is chaser
        return await leader, False
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _size(model: str, audio_s: float) -> _Size:
    return model, math.ceil(math.log2(max(audio_s, 1.0)))
