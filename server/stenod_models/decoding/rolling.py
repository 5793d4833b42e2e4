"""Greedy decoding of any number of windows by a few rows: a row that ends makes room for the next window at once.

So a step has all its rows as long as anything waits, where a batch that starts together drains as its short rows end,
and pays for the weights as if it had them all. Rows have different ages; none may read another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.greedy import Hypothesis, extend


class Rows(Protocol):
    """Windows in decoding, in rows 0, 1, 2, … without a gap."""

    def admit(self, item: int, row: int) -> None:
        """Begin with window `item` in this row, which is the next one or holds a window that is done with."""
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
class Decoded:
    """Window `item` was done in `row`; `hypothesis` is None where it was cancelled."""

    item: int
    row: int
    hypothesis: Hypothesis | None


@dataclass(slots=True)
class _Row:
    item: int
    hypothesis: Hypothesis


class Rolling:
    """Decodes windows 0 to len(caps) - 1, taken in this order; `caps[i]` is the most tokens of window i."""

    def __init__(self, rows: Rows, caps: Sequence[int], *, width: int, start_token: int, end_token: int) -> None:
        self._rows = rows
        self._caps = caps
        self._end_token = end_token
        self._start_token = start_token
        self._running: list[_Row] = []
        self._tokens = np.empty(width, np.int64)
        self._steps = 0

    def run(self, is_cancelled: Callable[[int], bool]) -> Iterator[Decoded]:
        """Windows as they end. What the rows know of one is valid until the next is asked for. Each step asks of one
        row whether it is cancelled.
        """
        waiting = iter(range(len(self._caps)))
        for item in islice(waiting, len(self._tokens)):
            self._admit(item, len(self._running))
        while self._running:
            for done in self._step(is_cancelled):
                yield done
                self._replace(done.row, next(waiting, None))

    def _step(self, is_cancelled: Callable[[int], bool]) -> list[Decoded]:
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

    def _is_done(self, row: _Row, token: int, probability: float) -> bool:
        ended = extend(row.hypothesis, token, probability, self._end_token)
        return ended or len(row.hypothesis.tokens) >= self._caps[row.item]

    def _replace(self, row: int, item: int | None) -> None:
        if item is not None:
            self._admit(item, row)
            return
        self._rows.drop(row)
        last = self._running.pop()
        if row < len(self._running):
            self._running[row] = last
            self._tokens[row] = self._tokens[len(self._running)]

    def _admit(self, item: int, row: int) -> None:
        self._rows.admit(item, row)
        self._tokens[row] = self._start_token
        self._running[row : row + 1] = [_Row(item, Hypothesis([], []))]
