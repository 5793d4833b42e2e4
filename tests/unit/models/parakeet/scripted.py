"""Joint networks by chance, whose scores depend on everything that was said: a state that a decoder can get wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.hotwords import Phrase, PhraseTrie
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.joint_scores import Head
from stenod_models.families.parakeet.label_looping import Int64Array, Limits

FloatArray = npt.NDArray[np.float32]

LABELS = 4
BLANK = LABELS
LIMITS = Limits(BLANK, max_symbols=2)
ENDS_WORD = np.array([True, True, False, False, True])  # 0 and 1 begin words, 2 and 3 go on with them


def head_of(*, has_durations: bool) -> Head:
    return Head(LABELS + 1, BLANK, (0, 1, 2) if has_durations else ())


def architecture_of(head: Head) -> Architecture:
    """As far as decoding knows it."""
    return Architecture(
        kind="tdt" if head.durations else "rnnt",
        runtime="nemo",
        precision="fp32",
        mel_bins=80,
        preemphasis=0.97,
        hidden_size=0,
        layers=0,
        heads=0,
        scale_input=False,
        vocabulary_size=head.vocabulary_size,
        blank=head.blank,
        durations=head.durations,
        max_symbols=LIMITS.max_symbols,
    )


@dataclass
class ScriptedScores:
    """A ScoringTransducer with `width` rows for each window; `sharpness` is of its logits."""

    seeds: Sequence[int]
    head: Head
    width: int = 1
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        self.said: list[list[int]] = [[] for _ in range(len(self.seeds) * self.width)]

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        for row, token in zip(rows, tokens, strict=True):
            self.said[row].append(int(token))

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        return np.stack(
            [self.logits(int(row), int(frame), self.said[row]) for row, frame in zip(rows, frames, strict=True)]
        )

    def reorder(self, parents: Int64Array) -> None:
        self.said = [list(self.said[parent]) for parent in parents]

    def logits(self, row: int, frame: int, said: Sequence[int]) -> FloatArray:
        random = np.random.default_rng([self.seeds[row // self.width], frame, *said])
        logits = random.normal(0, self.sharpness, LABELS + 1 + len(self.head.durations))
        logits[BLANK] += 1.0
        return logits.astype(np.float32)


def trie_of(*phrases: tuple[tuple[int, ...], float]) -> PhraseTrie:
    return PhraseTrie([Phrase(tokens, boost) for tokens, boost in phrases], ENDS_WORD)
