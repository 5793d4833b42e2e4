"""Greedy decoding of any number of windows by a few rows: a row that ends makes room for the next window at once.

So a step has all its rows as long as anything waits, where a batch that starts together drains as its short rows end,
and pays for the weights as if it had them all. Rows have different ages; none may read another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.greedy import Hypothesis, extend

Item = TypeVar("Item")
Given_contra = TypeVar("Given_contra", contravariant=True)


class Rows(Protocol[Given_contra]):
    """Windows in decoding, in rows 0, 1, 2, … without a gap."""

    def admit(self, item: Given_contra, row: int) -> int:
        """Begin with a window in this row, which is the next one or holds a window that is done with. Gives the most
        tokens that it may take, 1 or more.
        """
        ...

    def drop(self, row: int) -> None:
        """The last row takes the place of this one, which may be itself."""
        ...

    def step(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Take the last token of each row (rows,), give the next ones and their probabilities, (rows,) each; may reuse
        memory.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Item]):
    """What was said in a row; `hypothesis` is None where the window was cancelled."""

    item: Item
    row: int
    hypothesis: Hypothesis | None


@dataclass(slots=True)
class _Row(Generic[Item]):
    item: Item
    cap: int
    hypothesis: Hypothesis


class Rolling(Generic[Item]):
    """Decodes with at most `width` rows."""

    def __init__(self, rows: Rows[Item], *, width: int, start_token: int, end_token: int) -> None:
        self._rows = rows
        self._end_token = end_token
        self._start_token = start_token
        self._running: list[_Row[Item]] = []
        self._tokens = np.empty(width, np.int64)
        self._steps = 0

    def run(self, waiting: Callable[[], Item | None], is_cancelled: Callable[[Item], bool]) -> Iterator[Decoded[Item]]:
        """Windows as they end, until none is left and `waiting` gives None. It is asked wherever there is a free row.
        What the rows know of a window is valid until the next one is asked for. Each step asks of one row whether it
        is cancelled.
        """
        while self._fill(waiting):
            for done in self._step(is_cancelled):
                yield done
                self._replace(done.row, waiting())

    def _fill(self, waiting: Callable[[], Item | None]) -> bool:
        """Whether there is any row."""
        while len(self._running) < len(self._tokens) and (item := waiting()) is not None:
            self._admit(item, len(self._running))
        return bool(self._running)

    def _step(self, is_cancelled: Callable[[Item], bool]) -> list[Decoded[Item]]:
        """Those that are done, the last row first: what takes the place of one of them is never one itself."""
        count = len(self._running)
        following, probabilities = self._rows.step(self._tokens[:count])
        self._tokens[:count] = following
        asked = self._steps % count
        self._steps += 1
        found = []
        chosen = zip(self._running, following.tolist(), probabilities.tolist(), strict=True)
        for place, (row, token, probability) in enumerate(chosen):
            if place == asked and is_cancelled(row.item):
                found.append(Decoded(row.item, place, None))
            elif self._is_done(row, token, probability):
                found.append(Decoded(row.item, place, row.hypothesis))
        return found[::-1]

    def _is_done(self, row: _Row[Item], token: int, probability: float) -> bool:
        ended = extend(row.hypothesis, token, probability, self._end_token)
        return ended or len(row.hypothesis.tokens) >= row.cap

    def _replace(self, row: int, item: Item | None) -> None:
        if item is not None:
            self._admit(item, row)
            return
        self._rows.drop(row)
        last = self._running.pop()
        if row < len(self._running):
            self._running[row] = last
            self._tokens[row] = self._tokens[len(self._running)]

    def _admit(self, item: Item, row: int) -> None:
        cap = self._rows.admit(item, row)
        self._tokens[row] = self._start_token
        self._running[row : row + 1] = [_Row(item, cap, Hypothesis([], []))]
