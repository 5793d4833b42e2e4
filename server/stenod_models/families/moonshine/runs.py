"""One batch in decoding: greedily, a slot for each window, or by a beam, several."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.beam import BeamHypothesis, Candidates, IntArray
from stenod_models.decoding.rolling import Rolling
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.memory import EncodedWindow
from stenod_models.families.moonshine.sessions import FloatArray, StepGraph
from stenod_models.onnx_memory import Array

Item = TypeVar("Item")


class GreedyRun(Generic[Item]):
    """A decoding.rolling.Rows."""

    def __init__(
        self, graph: StepGraph, begin: Callable[[Item], tuple[EncodedWindow, int]], *, width: int, capacity: int
    ) -> None:
        """`begin` is called as a window is admitted; it gives the most steps, too, which are at most `capacity`.
        `width` is the most rows.
        """
        self._batch = graph.start(width, capacity)
        self._begin = begin
        self._heads = graph.attention_heads
        self._attention: list[FloatArray] = []  # of each row: (cap, heads, frames)
        self._tokens = np.empty((width, 1), np.int64)
        self._probabilities = np.empty((width, 1), np.float32)
        self._now = np.empty(0, np.float32)

    def rolling(self) -> Rolling[Item]:
        return Rolling(self, width=len(self._tokens), start_token=arch.START_TOKEN, end_token=arch.END_TOKEN)

    @property
    def frames(self) -> int:
        """Those that each row attends to, masked ones with them."""
        return self._batch.memory.frames

    def admit(self, item: Item, row: int) -> int:
        window, cap = self._begin(item)
        self._batch.admit(row, window)
        self._attention[row : row + 1] = [np.empty((cap, self._heads, window.frames), np.float32)]
        return cap

    def drop(self, row: int) -> None:
        last = self._attention.pop()
        self._batch.drop(row, len(self._attention))
        if row < len(self._attention):
            self._attention[row] = last

    def step(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        rows = len(tokens)
        shape = (rows, self._heads, 1, self.frames)
        if self._now.shape != shape:
            self._now = np.empty(shape, np.float32)
        following, probabilities = self._tokens[:rows], self._probabilities[:rows]
        taken: Mapping[str, Array] = {
            "next_tokens": following,
            "probabilities": probabilities,
            "attention": self._now,
        }
        self._batch.advance(tokens, given={}, taken=taken)
        for kept, now, past in zip(self._attention, self._now, self._batch.past.tolist(), strict=False):
            kept[past - 1] = now[:, 0, : kept.shape[2]]
        return following[:, 0], probabilities[:, 0]

    def attention_of(self, row: int) -> FloatArray:
        """The attention that each token of the row was predicted with: float32 (tokens, heads, frames)."""
        return _shares(self._attention[row][: self._batch.past[row]])


class BeamRun:
    """A decoding.beam.BeamStep."""

    def __init__(self, graph: StepGraph, windows: Sequence[EncodedWindow], capacity: int, beam_size: int) -> None:
        """No row takes more than `capacity` steps."""
        self._batch = graph.start(len(windows), capacity, beam_size)
        for row, window in enumerate(windows):
            self._batch.admit(row, window)
        self._frames = [window.frames for window in windows]
        shape = (capacity, len(windows), graph.attention_heads, beam_size, self._batch.memory.frames)
        self._attention: FloatArray = np.empty(shape, np.float32)
        self._count = np.array([2 * beam_size], np.int64)
        self._steps = 0

    def __call__(self, tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        self._move(parents)
        beam_size = self._batch.beam_size
        best_tokens = np.empty((len(tokens), 2 * beam_size), np.int64)
        best_scores = np.empty(best_tokens.shape, np.float32)
        wanted_scores = np.empty(wanted.shape, np.float32)
        self._batch.advance(
            tokens,
            given={"count": self._count, "wanted": np.ascontiguousarray(wanted)},
            taken={
                "best_tokens": best_tokens,
                "best_scores": best_scores,
                "wanted_scores": wanted_scores,
                "attention": self._attention[self._steps, : len(tokens) // beam_size],
            },
        )
        self._steps += 1
        return Candidates(best_tokens, best_scores, wanted_scores)

    def attention_of(self, row: int, hypothesis: BeamHypothesis) -> FloatArray:
        """The attention that each token of the row was predicted with: float32 (tokens, heads, frames)."""
        steps = np.arange(len(hypothesis.slots))
        places = np.array(hypothesis.slots, np.int64) - row * self._batch.beam_size
        return _shares(self._attention[steps, row, :, places, : self._frames[row]])

    def _move(self, parents: IntArray) -> None:
        """Have each hypothesis continue its parent's cache; most stay where they are."""
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        if len(moved):
            cache = self._batch.cache
            cache[:, :, moved, :, : self._steps] = cache[:, :, parents[moved], :, : self._steps]


def _shares(weights: FloatArray) -> FloatArray:
    """Of the sum over the frames: the graphs leave weights of which the largest is 1."""
    shares: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return shares
