"""Greedy transducer decoding of a whole batch by label looping.

Bataev, Xu, Galvez, Lavrukhin and Ginsburg, "Label-Looping: Highly Efficient Decoding for Transducers", arXiv
2406.06220. The outer loop is over labels: each turn every running row finds its next label, however many blanks lie
before it, and the prediction network runs once for all of them. The duration head is of Xu et al., "Efficient
Sequence Transduction by Jointly Predicting Tokens and Durations", arXiv 2304.06795 (TDT); an RNN-T is the case where a
blank lasts one frame and a label none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stenod_models.families.parakeet.emissions import Emissions

Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choices:
    """The likeliest token of each row, the frames it lasts, and its probability; each of shape (rows,)."""

    tokens: Int64Array
    durations: Int64Array
    probabilities: FloatArray


class Transducer(Protocol):
    """The prediction network, which keeps a state per row, and the joint network of one batch."""

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        """Have these rows take in their last tokens."""
        ...

    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        """What these rows say at these encoded frames, given all that they have taken in."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_symbols` caps the labels of one frame: after that many a row moves on, whatever its head says."""

    blank: int
    max_symbols: int


def decode_transducer(
    transducer: Transducer,
    lengths: Sequence[int],
    limits: Limits,
    *,
    is_cancelled: Callable[[int], bool] = lambda _row: False,
) -> list[Emissions | None]:
    """Decode rows of `lengths[i]` encoded frames. A cancelled row gives None."""
    search = _Search(transducer, np.asarray(lengths, np.int64), limits)
    cancelled: set[int] = set()
    every = np.arange(len(lengths))
    transducer.predict(every, np.full(len(lengths), limits.blank, np.int64))
    running = every[search.lengths > 0]
    while len(running):
        stopped = {int(row) for row in running if is_cancelled(int(row))}
        cancelled |= stopped
        running = running[[int(row) not in stopped for row in running]]
        running = search.next_labels(running)
        if len(running):
            transducer.predict(running, search.last[running])
    return [None if row in cancelled else found for row, found in enumerate(search.emissions)]


class _Search:
    """Where each row stands: `times` is its encoded frame, `at_frame` the labels it has said there."""

    def __init__(self, transducer: Transducer, lengths: Int64Array, limits: Limits) -> None:
        self._transducer = transducer
        self._limits = limits
        self.lengths = lengths
        self.times = np.zeros_like(lengths)
        self.at_frame = np.zeros_like(lengths)
        self.last = np.full_like(lengths, limits.blank)
        self.emissions = [Emissions() for _ in lengths]

    def next_labels(self, rows: Int64Array) -> Int64Array:
        """Carry each row to its next label and past it; the rows that have audio left after it."""
        found: list[npt.NDArray[Any]] = []
        while len(rows):
            choices = self._transducer.join(rows, self.times[rows])
            is_blank = choices.tokens == self._limits.blank
            self._skip(rows[is_blank], choices.durations[is_blank])
            found.append(self._emit(rows, choices, ~is_blank))
            rows = rows[is_blank]
            rows = rows[self.times[rows] < self.lengths[rows]]
        labelled = np.sort(np.concatenate(found)) if found else rows
        return labelled[self.times[labelled] < self.lengths[labelled]]

    def _skip(self, rows: Int64Array, durations: Int64Array) -> None:
        self.times[rows] += np.maximum(durations, 1)  # a blank that lasted no time would never end
        self.at_frame[rows] = 0

    def _emit(self, rows: Int64Array, choices: Choices, chosen: npt.NDArray[np.bool_]) -> Int64Array:
        for place in np.flatnonzero(chosen):
            row, start = int(rows[place]), int(self.times[rows[place]])
            end = min(start + int(choices.durations[place]), int(self.lengths[row]))
            self.emissions[row].add(
                int(choices.tokens[place]), start=start, end=end, probability=float(choices.probabilities[place])
            )
        labelled = rows[chosen]
        self.last[labelled] = choices.tokens[chosen]
        self._advance(labelled, choices.durations[chosen])
        return labelled

    def _advance(self, rows: Int64Array, durations: Int64Array) -> None:
        said = self.at_frame[rows] + 1
        is_stuck = (durations == 0) & (said >= self._limits.max_symbols)
        self.times[rows] += np.where(is_stuck, 1, durations)
        self.at_frame[rows] = np.where((durations > 0) | is_stuck, 0, said)
