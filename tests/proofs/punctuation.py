"""Proof: `punctuation_sensitivity` sets marks more or less readily, and the words stay what they are.

    python -m tests.proofs.punctuation [moonshine] [whisper] [--every N]

Every English recording of at most 30 s, by the default model and by Whisper base, greedily: marks for 100 words, and
the word error rate (Whisper's English normalisation, which knows no marks), at each sensitivity. Exit status 1 where a
larger sensitivity sets fewer marks, where 0 leaves more than a quarter of them or 1 adds none, where the words are
others below 0.5, the default, or the word error rate above it is more than 0.5 points higher.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import RecognitionOptions
from stenod_models.recogniser import Recogniser
from stenod_server.domain.formatting import DEFAULT_SENSITIVITY, Formatting
from tests.proofs.wer import word_error_rate
from tests.support.families import prove_families
from tests.support.models import read_audio
from tests.support.speech import english_with_text

LONGEST_S: Final = 30
SENSITIVITIES: Final = (0.0, 0.25, DEFAULT_SENSITIVITY, 0.75, 1.0)
MOST_LEFT_RATIO: Final = 1 / 4
ALLOWED_POINTS: Final = 0.5
BATCH: Final = 8
MARKS: Final = ".,;:!?…—"

Audio = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Heard:
    """At one sensitivity: the words without their marks, marks for 100 words, and the word error rate in percent."""

    sensitivity: float
    bare: Sequence[str]
    marks: float
    wer: float


def heard(recogniser: Recogniser, windows: Sequence[Audio], references: Sequence[str], sensitivity: float) -> Heard:
    options = RecognitionOptions(mark_bias=Formatting(punctuation_sensitivity=sensitivity).mark_bias)
    texts = []
    for start in range(0, len(windows), BATCH):
        found = recogniser.recognise(windows[start : start + BATCH], language="en", options=options)
        texts += [" ".join(word.text for word in result.words) if result else "" for result in found]
    words = sum(len(text.split()) for text in texts)
    marks = sum(word[-1] in MARKS for text in texts for word in text.split())
    bare = [word.strip(MARKS) for text in texts for word in text.split()]
    return Heard(sensitivity, [word for word in bare if word], 100 * marks / words, word_error_rate(references, texts))


def proven(recogniser: Recogniser, every: int) -> bool:
    chosen = [recording for recording in english_with_text() if recording.duration_s <= LONGEST_S][::every]
    windows, references = [read_audio(recording.path) for recording in chosen], [recording.text for recording in chosen]
    print(f"{recogniser.profile.model}: {len(chosen)} recordings")
    print(f"{'sensitivity':>12} {'bias':>6} {'marks %':>8} {'WER %':>7}")
    trials = []
    for sensitivity in SENSITIVITIES:
        trials.append(heard(recogniser, windows, references, sensitivity))
        bias = Formatting(punctuation_sensitivity=sensitivity).mark_bias
        print(f"{sensitivity:12} {bias:6.1f} {trials[-1].marks:8.2f} {trials[-1].wer:7.2f}", flush=True)
    holds = _holds(trials)
    print("ok" if holds else "FAIL")
    return holds


def _holds(trials: Sequence[Heard]) -> bool:
    (usual,) = (trial for trial in trials if trial.sensitivity == DEFAULT_SENSITIVITY)
    marks = [trial.marks for trial in trials]
    return (
        marks == sorted(marks)
        and marks[0] <= MOST_LEFT_RATIO * usual.marks < usual.marks < marks[-1]
        and all(trial.bare == usual.bare for trial in trials if trial.sensitivity < DEFAULT_SENSITIVITY)
        and all(trial.wer <= usual.wer + ALLOWED_POINTS for trial in trials)
    )


def main() -> int:
    return 0 if prove_families(__doc__, proven) else 1


if __name__ == "__main__":
    sys.exit(main())
