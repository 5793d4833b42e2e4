"""Punctuation set more or less readily.

More: what a mark is worth is raised while a window is decoded, as a phrase's tokens are (beam.Fusion), but behind a
digit, where a mark may be part of a number ("3.5", "1,000"). Less: marks that the model was not sure enough of are left
out of the words when it is done, which changes no word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.hotwords import BoolArray, FloatArray, IntArray
from stenod_models.decoding.spellings import Span

_MARKS: Final = frozenset(".,;:!?…·—–¿¡。、，？！：；؟،؛।")  # noqa: RUF001  marks of other scripts
_LEAST_DOUBT: Final = 1e-7  # of float32


class MarkTokens:
    """Which tokens of a vocabulary are nothing but marks. `texts` are what the tokens spell."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = [text.strip() for text in texts]
        self.are_marks: BoolArray = np.array([bool(text) and _MARKS.issuperset(text) for text in self._texts], np.bool_)
        self.end_in_digit: BoolArray = np.array([text[-1:].isdigit() for text in self._texts], np.bool_)

    def raised(self, bias: float) -> "MarkBias | None":
        """To be fused where `bias` (natural logarithm) is above 0."""
        return MarkBias(self, bias) if bias > 0 else None

    def sure(
        self, words: Sequence[Span], tokens: Sequence[int], probabilities: Sequence[float], bias: float
    ) -> list[Span]:
        """The words without the marks at their ends that would be unlikelier than all else together, if `bias`, below
        0, were added to their log-probability. Words of which nothing is left are left out.
        """
        if bias >= 0:
            return list(words)
        doubtful = [
            bool(self.are_marks[token]) and _odds(p) + bias < 0 for token, p in zip(tokens, probabilities, strict=False)
        ]
        kept = (replace(word, text=self._bare(word, tokens, doubtful)) for word in words)
        return [word for word in kept if word.text]

    def _bare(self, word: Span, tokens: Sequence[int], doubtful: Sequence[bool]) -> str:
        text, places = word.text, range(word.first, min(word.last + 1, len(doubtful)))
        for place in reversed(places):
            if not doubtful[place]:
                break
            text = text.removesuffix(self._texts[tokens[place]])
        for place in places:
            if not doubtful[place]:
                break
            text = text.removeprefix(self._texts[tokens[place]])
        return text


def _odds(probability: float) -> float:
    """Natural logarithm."""
    return log(max(probability, _LEAST_DOUBT) / max(1 - probability, _LEAST_DOUBT))


class MarkBias:
    """A beam.Fusion: `bias` (natural logarithm) on marks. States say whether the last token ends in a digit."""

    def __init__(self, tokens: MarkTokens, bias: float) -> None:
        self._amounts: FloatArray = np.where(tokens.are_marks, np.float32(bias), np.float32(0))
        self._marks: IntArray = np.flatnonzero(tokens.are_marks)
        self.end_in_digit = tokens.end_in_digit

    def start(self, rows: int) -> BoolArray:
        return np.zeros(rows, np.bool_)

    def wanted(self, states: BoolArray) -> IntArray:
        return np.broadcast_to(self._marks, (len(states), len(self._marks)))

    def amounts(self, states: BoolArray, tokens: IntArray) -> FloatArray:
        amounts: FloatArray = np.where(states[:, None], np.float32(0), self._amounts[tokens])
        return amounts

    def add_to(self, scores: FloatArray, states: BoolArray) -> None:
        """Add to the scores of the whole vocabulary and what may stand behind it, (rows, vocabulary or more)."""
        scores[:, : len(self._amounts)] += np.where(states[:, None], np.float32(0), self._amounts)

    def advance(self, states: BoolArray, tokens: IntArray) -> BoolArray:
        del states
        ended: BoolArray = self.end_in_digit[tokens]
        return ended

    def final_amounts(self, states: BoolArray) -> FloatArray:
        return np.zeros(len(states), np.float32)


def behind_digits(tokens: npt.NDArray[np.int64], blank: int, end_in_digit: BoolArray) -> BoolArray:
    """Of the frames of a CTC model, given the likeliest token of each: whether the label before one ends in a digit."""
    places = np.where(tokens == blank, -1, np.arange(len(tokens)))
    before = np.concatenate([[-1], np.maximum.accumulate(places)[:-1]])
    behind: BoolArray = (before >= 0) & end_in_digit[tokens[before]]
    return behind
