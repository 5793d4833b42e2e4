"""One batch in decoding: greedily, a slot for each window, or by a beam, several."""

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.beam import BeamHypothesis, Candidates, IntArray
from stenod_models.families.moonshine.sessions import FloatArray, StepBatch


class GreedyRun:
    """A decoding.greedy.Step."""

    def __init__(self, batch: StepBatch) -> None:
        self._batch = batch

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        following = np.empty((len(tokens), 1), np.int64)
        probabilities = np.empty((len(tokens), 1), np.float32)
        self._batch.advance(tokens, given={}, taken={"next_tokens": following, "probabilities": probabilities})
        return following[:, 0], probabilities[:, 0]

    def attention_of(self, row: int) -> FloatArray:
        """The attention of the row's steps, as far as there were any: float32 (capacity, heads, frames)."""
        attention: FloatArray = self._batch.attention[:, row, :, 0]
        return attention


class BeamRun:
    """A decoding.beam.BeamStep."""

    def __init__(self, batch: StepBatch) -> None:
        self._batch = batch
        self._count = np.array([2 * batch.beam_size], np.int64)

    def __call__(self, tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        self._move(parents)
        best_tokens = np.empty((len(tokens), 2 * self._batch.beam_size), np.int64)
        best_scores = np.empty(best_tokens.shape, np.float32)
        wanted_scores = np.empty(wanted.shape, np.float32)
        self._batch.advance(
            tokens,
            given={"count": self._count, "wanted": np.ascontiguousarray(wanted)},
            taken={"best_tokens": best_tokens, "best_scores": best_scores, "wanted_scores": wanted_scores},
        )
        return Candidates(best_tokens, best_scores, wanted_scores)

    def attention_of(self, row: int, hypothesis: BeamHypothesis) -> FloatArray:
        """The attention that each token of the row was predicted with: float32 (tokens, heads, frames)."""
        steps = np.arange(len(hypothesis.slots))
        places = np.array(hypothesis.slots, np.int64) - row * self._batch.beam_size
        attention: FloatArray = self._batch.attention[steps, row, :, places]
        return attention

    def _move(self, parents: IntArray) -> None:
        """Have each hypothesis continue its parent's cache; most stay where they are."""
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        if len(moved):
            cache, past = self._batch.cache, self._batch.past
            cache[:, :, moved, :, :past] = cache[:, :, parents[moved], :, :past]
