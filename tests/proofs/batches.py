"""Proof: a batch gives what each window gives alone, in every family.

    python -m tests.proofs.batches [ROUNDS]

Each round asks for up to 16 random pieces of real speech of 0.05 to 30 s (of noise where the speech set is absent),
each with options of its own as the model's profile allows: language, task, hotwords, beam, prompt. They are grouped as
Triton's `execute` groups them and recognised; then each once more by itself. Words, times and language must be equal
and all probabilities within 1e-3. Moonshine and Whisper base (fp32 and int8) have their real weights, the Parakeets
(TDT, RNN-T, CTC) small random ones. Prints a table; exit status 1 when anything differs.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np

from stenod_models.batching import BatchLimits, WindowKey, group_windows
from stenod_models.contract import AUTO_LANGUAGE, SAMPLE_RATE_HZ, Hotword, Profile, RecognitionOptions
from stenod_models.export import parakeet
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.registry import load_recogniser
from stenod_models.recogniser import Int16Audio, Recogniser, Recognition
from tests.support.models import build_models, load_default_model, read_audio
from tests.support.sounds import at_level, pink_noise
from tests.support.speech import recordings
from tests.support.whisper_weights import build_whisper_base, load_whisper

ROUNDS = 12
MOST_WINDOWS, SHORTEST_S = 16, 0.05
TOLERANCE = 1e-3
_NAMES = ("Crayfish", "Helstone", "Thornton", "San Francisco", "Lincoln", "Mister Hale")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as Triton would hand it to `execute`."""

    audio: Int16Audio
    language: str
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class Comparison:
    """`probability` is the largest difference of any; `other` describes the windows that say something else."""

    windows: int
    batches: int
    words: int
    probability: float
    other: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.other and self.probability <= TOLERANCE


def speech() -> list[Int16Audio]:
    """Recordings to cut from, of many languages; noise where there are none."""
    found = recordings("read_en", "spont_en", "noisy_en", "multilingual")
    return [read_audio(one.path) for one in found[::10]] or [
        at_level(pink_noise(30.0, seed), -6.0) for seed in range(8)
    ]


def random_asks(profile: Profile, sources: Sequence[Int16Audio], seed: int, *, longest_s: float = 30.0) -> list[Ask]:
    """Of two kinds of options, so that batches of several windows come about."""
    random = np.random.default_rng(seed)
    kinds = [_random_options(profile, random) for _kind in range(2)]
    longest_s = min(longest_s, profile.window_max_samples / SAMPLE_RATE_HZ)
    asks = []
    for _window in range(int(random.integers(2, MOST_WINDOWS + 1))):
        source = sources[int(random.integers(len(sources)))]
        wanted = round(float(np.exp(random.uniform(np.log(SHORTEST_S), np.log(longest_s)))) * SAMPLE_RATE_HZ)
        start = int(random.integers(max(1, len(source) - wanted)))
        language, options = kinds[int(random.integers(len(kinds)))]
        asks.append(Ask(source[start : start + wanted], language, options))
    return asks


def _random_options(profile: Profile, random: np.random.Generator) -> tuple[str, RecognitionOptions]:
    language = str(random.choice([AUTO_LANGUAGE, "en", str(random.choice(list(profile.languages)))]))
    chosen = random.choice(_NAMES, int(random.integers(4)), replace=False) if profile.takes_hotwords else ()
    return language, RecognitionOptions(
        task=str(random.choice(list(profile.tasks))),
        beam_size=int(random.choice([1, 1, min(3, profile.max_beam_size)])),
        hotwords=tuple(Hotword(str(name), boost=float(random.uniform(0.5, 4.0))) for name in chosen),
        prompt=str(random.choice(["", "A cookery book."])) if profile.takes_prompt else "",
    )


def compare(recogniser: Recogniser, asks: Sequence[Ask], seed: int) -> Comparison:
    profile, random = recogniser.profile, Random(seed)
    limits = BatchLimits(profile.length_buckets_samples, profile.max_batch_size, recogniser.max_padding_ratio)
    keys = [WindowKey(index, len(ask.audio), ask.language, ask.options) for index, ask in enumerate(asks)]
    # `execute` hands them over by length, but a recogniser takes them in any order.
    groups = [random.sample([key.index for key in group], len(group)) for group in group_windows(keys, limits)]
    words, largest, other = 0, 0.0, []
    for group in groups:
        for index, together in zip(group, _recognise(recogniser, [asks[index] for index in group]), strict=True):
            (alone,) = _recognise(recogniser, [asks[index]])
            words += len(alone.words)
            if _said(alone) == _said(together):
                largest = max(largest, _difference(alone, together))
            else:
                other.append(f"{len(asks[index].audio)} samples in a batch of {len(group)}, {asks[index].options}")
    return Comparison(len(asks), len(groups), words, largest, tuple(other))


def _recognise(recogniser: Recogniser, asks: Sequence[Ask]) -> list[Recognition]:
    first = asks[0]
    found = recogniser.recognise([ask.audio for ask in asks], language=first.language, options=first.options)
    return [result for result in found if result is not None]


def _said(one: Recognition) -> tuple[object, ...]:
    return one.language, *((word.text, word.start_samples, word.end_samples) for word in one.words)


def _difference(one: Recognition, other: Recognition) -> float:
    pairs = [(mine.confidence, theirs.confidence) for mine, theirs in zip(one.words, other.words, strict=True)]
    pairs += [(one.no_speech, other.no_speech), (one.language_confidence, other.language_confidence)]
    return max(abs(mine - theirs) for mine, theirs in pairs)


def random_parakeet(folder: Path, kind: Literal["tdt", "rnnt", "ctc"]) -> Recogniser:
    """Needs torch and transformers."""
    from tests.support.parakeet_checkpoints import Shape, make_checkpoint  # noqa: PLC0415 - torch may be absent

    source = make_checkpoint(folder / "source", Shape(kind, seed=3))
    parakeet.build(folder / "entry", source=source, precision="fp32", report=lambda _phase, _done: None)
    return load_recogniser(profile_of(folder / "entry" / "config.pbtxt"), folder / "entry" / "1", threads=1)


def families(folder: Path) -> Iterator[tuple[str, Recogniser]]:
    yield "moonshine-tiny-en", load_default_model(build_models())
    for precision in ("fp32", "int8"):
        yield f"whisper-base {precision}", load_whisper(build_whisper_base(folder / precision, precision), threads=1)
    if all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        yield "parakeet tdt, random", random_parakeet(folder / "tdt", "tdt")
        yield "parakeet rnnt, random", random_parakeet(folder / "rnnt", "rnnt")
        yield "parakeet ctc, random", random_parakeet(folder / "ctc", "ctc")


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    sources = speech()
    print(f"{'':24}", *(f"{title:>12}" for title in ("windows", "batches", "words", "probability", "other words")))
    holds = True
    with tempfile.TemporaryDirectory() as name:
        for family, recogniser in families(Path(name)):
            asked = [random_asks(recogniser.profile, sources, seed) for seed in range(rounds)]
            found = [compare(recogniser, asks, seed) for seed, asks in enumerate(asked)]
            counts = [sum(getattr(one, count) for one in found) for count in ("windows", "batches", "words")]
            other = [text for one in found for text in one.other]
            largest = max(one.probability for one in found)
            print(
                f"{family:24}", *(f"{count:>12}" for count in counts), f"{largest:>12.1e}{len(other):>13}", flush=True
            )
            print(*(f"  {text}" for text in other), sep="\n", end="\n" if other else "")
            holds &= all(one.holds for one in found) and counts[2] > 0
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
