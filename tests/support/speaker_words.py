"""Whether the right words have the right speaker: recognised words against a text of which it is known who said it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
from scipy.optimize import linear_sum_assignment
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class WordScore:
    """`compared` words were recognised as they were said; `right` of them have their speaker's label."""

    compared: int
    right: int
    said: int

    @property
    def accuracy(self) -> float:
        return self.right / self.compared if self.compared else 0.0


def speaker_words(segments: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(word, speaker) of segments with `start`, `speaker`, `text`, normalised."""
    in_order = sorted(segments, key=lambda segment: float(segment["start"]))
    return normalised([(segment["text"], segment["speaker"]) for segment in in_order])


def normalised(said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(word, label) of texts with a label each."""
    normalise = EnglishTextNormalizer()
    return [(word, label) for text, label in said for word in normalise(text).split()]


def score_words(truth: Sequence[tuple[str, str]], heard: Sequence[tuple[str, str]]) -> WordScore:
    """Labels are matched to speakers one to one, in the way that gets the most words right."""
    aligned = jiwer.process_words(" ".join(word for word, _ in truth), " ".join(word for word, _ in heard))
    pairs = [
        (truth[chunk.ref_start_idx + step][1], heard[chunk.hyp_start_idx + step][1])
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for step in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
    speakers, labels = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    table = [[pairs.count((speaker, label)) for label in labels] for speaker in speakers]
    rows, columns = linear_sum_assignment(table, maximize=True)
    right = sum(table[row][column] for row, column in zip(rows, columns, strict=True))
    return WordScore(len(pairs), right, len(truth))
