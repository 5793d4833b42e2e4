"""Proof: the default model makes no more mistakes than it did in 32-bit attention.

    python -m tests.proofs.word_errors [--seeds 12] [--shown]

Every English recording that fits a window, as it is and with noise of one level of 16 bits by several seeds: whatever
changes a last bit changes some words, so one word error rate is a draw, and only the mean of several can be compared.
Exit status 1 when the mean is above that of the state before attention went to 8 bits by more than 0.1 points and two
standard errors of the difference. `--shown` prints every pass.
"""

import argparse
import statistics
import sys
from typing import Final

import jiwer
import numpy as np
import numpy.typing as npt
from whisper_normalizer.english import EnglishTextNormalizer

from stenod_models.contract import RecognitionOptions
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from tests.support.models import build_models, load_default_model, read_audio
from tests.support.speech import english_with_text

LONGEST_S: Final = 30
ALLOWED: Final = 0.1
# The same passes (12 seeds and the recordings as they are) of the state before: 32-bit attention in both graphs.
MEAN_BEFORE: Final = 11.76
DEVIATION_BEFORE: Final = 0.35
PASSES_BEFORE: Final = 13


def noisy(samples: npt.NDArray[np.int16], seed: int) -> npt.NDArray[np.int16]:
    """By at most one level; seed 0: as they are."""
    if not seed:
        return samples
    noise = np.random.default_rng(seed).integers(-1, 2, len(samples))
    return np.clip(samples + noise, -(2**15), 2**15 - 1).astype(np.int16)


def word_error_rate(recogniser: MoonshineRecogniser, seed: int) -> float:
    normalise = EnglishTextNormalizer()
    said, heard = [], []
    for recording in english_with_text():
        if recording.duration_s > LONGEST_S:
            continue
        audio = noisy(read_audio(recording.path), seed)
        (result,) = recogniser.recognise([audio], language="en", options=RecognitionOptions())
        said.append(normalise(recording.text))
        heard.append(normalise(" ".join(word.text for word in result.words) if result else ""))
    return float(100 * jiwer.wer(said, heard))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--shown", action="store_true")
    arguments = parser.parse_args()
    recogniser = load_default_model(build_models())
    found = []
    for seed in range(arguments.seeds + 1):
        found.append(word_error_rate(recogniser, seed))
        if arguments.shown or not seed:
            print(f"seed {seed:3}: {found[-1]:6.2f} %", flush=True)
    mean, deviation = statistics.fmean(found), statistics.stdev(found)
    error = (deviation**2 / len(found) + DEVIATION_BEFORE**2 / PASSES_BEFORE) ** 0.5
    print(f"{len(found)} passes: {mean:.2f} % (deviation {deviation:.2f}, {min(found):.2f} to {max(found):.2f})")
    print(f"before: {MEAN_BEFORE:.2f} % ({DEVIATION_BEFORE:.2f}); difference {mean - MEAN_BEFORE:+.2f} +- {error:.2f}")
    return 0 if mean - MEAN_BEFORE <= ALLOWED + 2 * error else 1


if __name__ == "__main__":
    sys.exit(main())
