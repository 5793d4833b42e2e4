"""Marks more or less readily, in the scores themselves: so a mark that is not wanted gives way to the blank, too."""

import numpy as np

from stenod_models.decoding.marks import MarkBias, behind_digits
from stenod_models.families.parakeet.joint_scores import ScoringTransducer
from stenod_models.families.parakeet.label_looping import FloatArray, Int64Array


class MarkedTransducer:
    """A ScoringTransducer."""

    def __init__(self, transducer: ScoringTransducer, marks: MarkBias, *, rows: int, blank: int) -> None:
        self._transducer = transducer
        self._marks = marks
        self._blank = blank
        self._states = marks.start(rows)

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        is_label = tokens != self._blank
        labelled = rows[is_label]
        self._states[labelled] = self._marks.advance(self._states[labelled], tokens[is_label])
        self._transducer.predict(rows, tokens)

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        scores = self._transducer.score(rows, frames).copy()
        self._marks.add_to(scores, self._states[rows])
        return scores

    def reorder(self, parents: Int64Array) -> None:
        self._states = self._states[parents]
        self._transducer.reorder(parents)


def marked_frames(scores: FloatArray, marks: MarkBias, blank: int) -> FloatArray:
    """The scores of a CTC model, (frames, vocabulary), with marks in them."""
    marked = np.array(scores)
    marks.add_to(marked, behind_digits(scores.argmax(axis=1), blank, marks.end_in_digit))
    return marked
