"""The joint network's scores, for those who need more of them than the likeliest choice: phrases, beams."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.label_looping import Choices, FloatArray, Int64Array


class ScoringTransducer(Protocol):
    """The two networks of one batch, a state per row; see label_looping.Transducer."""

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        """Have these rows take in their last tokens."""
        ...

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        """Logits of all tokens and then of the durations, if there are any: (rows, tokens + durations)."""
        ...

    def reorder(self, parents: Int64Array) -> None:
        """Row i goes on with what row `parents[i]` has taken in; both hear the same window."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """How a row of logits is read."""

    vocabulary_size: int
    blank: int
    durations: tuple[int, ...]

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        return cls(architecture.vocabulary_size, architecture.blank, architecture.durations)

    def tokens_of(self, logits: FloatArray) -> FloatArray:
        return logits[:, : self.vocabulary_size]

    def durations_of(self, logits: FloatArray) -> FloatArray:
        """Of an RNN-T there is no choice: one column of zeros, for no frame."""
        return logits[:, self.vocabulary_size :] if self.durations else np.zeros((len(logits), 1), np.float32)

    def choices(self, logits: FloatArray) -> Choices:
        """The likeliest token of each row, and, apart from it, the likeliest duration."""
        tokens = self.tokens_of(logits)
        lasting = np.array(self.durations or (0,), np.int64)[self.durations_of(logits).argmax(axis=1)]
        best = tokens.argmax(axis=1)
        return Choices(best, lasting, probabilities_of(tokens, best))


def probabilities_of(scores: FloatArray, tokens: npt.NDArray[np.int64]) -> FloatArray:
    """The softmax of one score of each row; log-probabilities are scores too."""
    chosen = np.take_along_axis(scores, tokens[:, None], axis=1)
    probabilities: FloatArray = 1.0 / np.exp(scores - chosen).sum(axis=1)
    return probabilities


def log_softmax(scores: FloatArray) -> FloatArray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    normal: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normal
