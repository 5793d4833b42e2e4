"""Proof: what a window says depends neither on its batch-mates nor on padding.

    python -m tests.proofs.invariance

Every English recording is recognised alone, in two different groupings of eight, in two of forty, which are more than
the rows that are decoded at once, so that windows of all ages are decoded together, and with padding; the words must be
the same, and the confidences to the last bit. Prints what was compared; exit status 1 when anything differs.
"""

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stenod_models.contract import RecognitionOptions
from stenod_models.recogniser import Recogniser, Recognition
from tests.support.models import build_models, load_default_model, read_audio
from tests.support.speech import recordings

BATCH = 8
MANY = 40
PADDING_FRAMES = 100  # 2.4 s: beyond the next length bucket, wherever a window ends
KINDS = ("read_en", "read_en_1min", "short_en", "spont_en", "speakers_en", "telephone", "dual_channel")

Window = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`texts` and `times` count windows that differ; `confidence` is the largest difference of a word's."""

    name: str
    windows: int
    texts: int
    times: int
    confidence: float

    @property
    def holds(self) -> bool:
        return not self.texts and not self.times and self.confidence == 0.0

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.windows} windows, {self.texts} with other words, {self.times} with other times, "
            f"confidences within {self.confidence:.1e}"
        )


def english_windows(limit: int | None = None) -> list[Window]:
    """English recordings, spread over the set, cut into windows that the model takes."""
    chosen = [recording for recording in recordings(*KINDS) if recording.fields["language"] == "en"]
    step = 1 if limit is None else max(1, len(chosen) // limit)
    windows = [piece for recording in chosen[::step] for piece in _pieces(read_audio(recording.path))]
    return windows[:limit]


def _pieces(audio: Window) -> Iterator[Window]:
    count = -(-len(audio) // (20 * 16_000)) if len(audio) > 30 * 16_000 else 1
    yield from np.array_split(audio, count)


def compare(recogniser: Recogniser, padded: Recogniser, windows: Sequence[Window]) -> list[Comparison]:
    """`padded` computes every window with padding."""
    indices = list(range(len(windows)))
    by_length = sorted(indices, key=lambda index: len(windows[index]))
    shuffled = random.Random(1).sample(indices, len(indices))
    alone = _recognise(recogniser, windows, [[index] for index in indices])
    trials = {
        f"in batches of {size} by {order}": _recognise(recogniser, windows, _chunks(indices, size))
        for size in (BATCH, MANY)
        for order, indices in (("length", by_length), ("chance", shuffled))
    }
    trials |= {
        f"alone, padded by {PADDING_FRAMES} frames": _recognise(padded, windows, [[index] for index in indices]),
    }
    return [_compared(name, alone, results) for name, results in trials.items()]


def _chunks(indices: Sequence[int], size: int) -> list[list[int]]:
    return [list(indices[start : start + size]) for start in range(0, len(indices), size)]


def _recognise(recogniser: Recogniser, windows: Sequence[Window], groups: list[list[int]]) -> list[Recognition]:
    found: dict[int, Recognition] = {}
    for group in groups:
        results = recogniser.recognise([windows[i] for i in group], language="en", options=RecognitionOptions())
        found |= {index: result for index, result in zip(group, results, strict=True) if result is not None}
    return [found[index] for index in range(len(windows))]


def _compared(name: str, expected: Sequence[Recognition], found: Sequence[Recognition]) -> Comparison:
    pairs = list(zip(expected, found, strict=True))
    texts = [one for one, other in pairs if [w.text for w in one.words] != [w.text for w in other.words]]
    words = [pair for one, other in pairs for pair in zip(one.words, other.words, strict=False)]
    moved = sum(
        (one.start_samples, one.end_samples) != (other.start_samples, other.end_samples) for one, other in words
    )
    confidence = max((abs(one.confidence - other.confidence) for one, other in words), default=0.0)
    return Comparison(name, len(pairs), len(texts), moved, confidence)


def main() -> int:
    models_dir = build_models()
    recogniser = load_default_model(models_dir)
    padded = load_default_model(models_dir, padding_frames=PADDING_FRAMES)
    comparisons = compare(recogniser, padded, english_windows())
    for comparison in comparisons:
        print("ok  " if comparison.holds else "FAIL", comparison)
    return 0 if all(comparison.holds for comparison in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
