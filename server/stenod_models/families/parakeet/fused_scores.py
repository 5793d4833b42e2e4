"""How what is fused into a beam (phrases, a language model) is added to the scores of tokens."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.beam import Fusion

FloatArray = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

FARTHEST: Final = float(np.log(1000.0))
"""Nothing that is fused brings a token forward where the blank is ahead of it by more than this (natural logarithm)."""


class FusedStates:
    """The states of all fusions, one of each for every hypothesis."""

    def __init__(self, fusions: Sequence[Fusion], count: int, blank: int) -> None:
        self._fusions = fusions
        self._blank = blank
        self._states = [fusion.start(count) for fusion in fusions]

    def wanted(self, places: Int64Array) -> Int64Array:
        """Tokens that may be worth more than the model says, for each of these hypotheses: (places, n)."""
        none = np.zeros((len(places), 0), np.int64)
        return np.concatenate([none, *(fusion.wanted(states[places]) for fusion, states in self._pairs())], axis=1)

    def amounts(self, places: Int64Array, tokens: Int64Array, scores: FloatArray) -> FloatArray:
        """What is added to the scores of `tokens`, (places, n): nothing to the blank's, and -inf where a token would be
        brought forward though the blank is far ahead of it, or is there already. `scores` is (places, vocabulary).
        """
        amounts = np.zeros(tokens.shape, np.float32)
        for fusion, states in self._pairs():
            amounts += fusion.amounts(states[places], tokens)
        is_behind = scores[:, [self._blank]] - np.take_along_axis(scores, tokens, axis=1) > FARTHEST
        is_out = ((amounts > 0) & is_behind) | _is_copy(tokens, scores.shape[1])
        bound: FloatArray = np.where(is_out, -np.inf, np.where(tokens == self._blank, 0.0, amounts)).astype(np.float32)
        return bound

    def reorder(self, parents: Int64Array) -> None:
        """Hypothesis i goes on from `parents[i]`."""
        self._states = [states[parents] for states in self._states]

    def advance(self, places: Int64Array, tokens: Int64Array) -> None:
        """These hypotheses have said one more token each, none of them the blank."""
        if len(places):
            for fusion, states in self._pairs():
                states[places] = fusion.advance(states[places], tokens)

    def final_amount(self, place: int) -> float:
        """What it is worth that a hypothesis ends."""
        return sum(float(fusion.final_amounts(states[[place]])[0]) for fusion, states in self._pairs())

    def _pairs(self) -> list[tuple[Fusion, npt.NDArray[Any]]]:
        return list(zip(self._fusions, self._states, strict=True))


def likeliest(scores: FloatArray, count: int) -> Int64Array:
    """The tokens with the highest scores of each row, in the order of their numbers: (rows, count)."""
    count = min(count, scores.shape[1])
    best: Int64Array = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    return best


def best_places(totals: npt.NDArray[Any], count: int) -> list[tuple[int, ...]]:
    """Where the highest finite totals are, the highest first; of equal ones the first."""
    flat = totals.ravel()
    likely = np.argpartition(-flat, count - 1)[:count] if len(flat) > count else np.arange(len(flat))
    ranked = likely[np.lexsort((likely, -flat[likely]))]
    places = np.unravel_index(ranked[np.isfinite(flat[ranked])], totals.shape)
    return [tuple(map(int, place)) for place in zip(*places, strict=True)]


def _is_copy(tokens: Int64Array, vocabulary: int) -> npt.NDArray[np.bool_]:
    """True for all but one of a row's equal tokens."""
    columns = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    column_of = np.empty((len(tokens), vocabulary), np.int64)
    np.put_along_axis(column_of, tokens, columns, axis=1)
    found: npt.NDArray[np.bool_] = np.take_along_axis(column_of, tokens, axis=1) != columns
    return found
