"""A back-off n-gram model in flat arrays.

Katz back-off ("Estimation of Probabilities from Sparse Data …", Katz, 1987) as ARPA files hold it: the log10
probability of a word behind a history is that of the n-gram where there is one; otherwise the back-off weight of the
history (0 where it has none) plus the probability behind the history without its first word.

The n-grams of each order are sorted by (place of their first n - 1 words in the order below, last word), one int64, so
one binary search finds one, and a million of them takes 16 MB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

BEGIN: Final = "<s>"
END: Final = "</s>"
UNKNOWN: Final = "<unk>"
MISSING_LOG10: Final = -100.0  # of <unk> where a model has none, as in KenLM

# A history: the places of its last 1, 2, … words in the orders, as far as the model has them.
History: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """N-grams of one length, ascending by `keys`; the words' own numbers where the length is 1. Log10."""

    keys: IntArray
    log10_probabilities: FloatArray
    log10_backoffs: FloatArray

    @classmethod
    def sorted_by(cls, keys: IntArray, log10_probabilities: FloatArray, log10_backoffs: FloatArray) -> "Order":
        ranks = np.argsort(keys)
        return cls(keys[ranks], log10_probabilities[ranks], log10_backoffs[ranks])

    def place_of(self, key: int) -> int:
        """-1 where there is none."""
        place = int(self.keys.searchsorted(key))
        return place if place < len(self.keys) and self.keys[place] == key else -1


class NgramModel:
    """Immutable; histories are small tuples, made by `begin` and `score`."""

    def __init__(self, words: Mapping[str, int], orders: Sequence[Order]) -> None:
        """`words` has `<unk>`; `orders[n - 1]` holds the n-grams."""
        self._words = words
        self._orders = orders
        self._unknown = words[UNKNOWN]
        self._end = words.get(END, self._unknown)

    @property
    def begin(self) -> History:
        """The history at the start of a sentence."""
        return (self._words[BEGIN],) if BEGIN in self._words and len(self._orders) > 1 else ()

    def number_of(self, word: str) -> int:
        """A word as it is written, or in small letters, or `<unk>`."""
        number = self._words.get(word)
        return self._words.get(word.lower(), self._unknown) if number is None else number

    def score(self, history: History, word: str) -> tuple[float, History]:
        """The log10 probability of a word behind a history, and the history behind the word."""
        return self._score(history, self.number_of(word))

    def score_end(self, history: History) -> float:
        """The log10 probability that the sentence ends behind a history."""
        return self._score(history, self._end)[0]

    def _score(self, history: History, word: int) -> tuple[float, History]:
        places = [word]
        for order, context in zip(self._orders[1:], history, strict=False):
            places.append(order.place_of(context * len(self._words) + word))
        longest = max(length for length, place in enumerate(places) if place >= 0)
        score = float(self._orders[longest].log10_probabilities[places[longest]])
        for length in range(longest, len(history)):
            if history[length] >= 0:
                score += float(self._orders[length].log10_backoffs[history[length]])
        return score, tuple(places[: len(self._orders) - 1])
