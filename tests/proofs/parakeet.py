"""Proof: Parakeet's features, encoder, decoder and text are those of transformers, on small random checkpoints.

    python -m tests.proofs.parakeet [CHECKPOINTS [BATCHES]] | large

Each checkpoint (TDT, RNN-T and CTC in turn, at most 5 million parameters) is built as `stenod models add` builds it and
recognises 20 batches of 1 to 16 windows of 0.2 to 60 seconds. Tokens and times must be those of generate() in every
window in which the model's best choice leads the second by more than 1e-4 all along (a smaller lead may turn on the
last bits), and in which no frame has more labels than the cap, which transformers' TDT does not have. Then each is
exported as NeMo does, and the windows of its first batch must be heard as onnx-asr hears them on the same export, where
the lead is more than 1e-3: onnx-asr computes features in its own way. `large` does the first once at the size of
parakeet-tdt-0.6b-v3, with one batch (12 GB of memory). Prints a table; exit status 1 when anything differs.
"""

import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from stenod_models.export.parakeet import VERSION, build
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.features import FeatureExtractor
from stenod_models.families.parakeet.runtime import load_backend
from stenod_models.families.parakeet.sessions import OnnxBackend
from stenod_models.families.parakeet.vocabulary import Vocabulary
from tests.support.onnx_asr_peer import OnnxAsr
from tests.support.parakeet_checkpoints import (
    KINDS,
    Heard,
    Reference,
    Shape,
    Window,
    export_as_nemo_does,
    make_checkpoint,
    transformers,
    window_of,
)

CHECKPOINTS = 20
BATCHES = 20
LEAST_MARGIN = 1e-4
PEER_MARGIN = 1e-3
TOLERANCE = 1e-4
SHORTEST_S, LONGEST_S, MOST_WINDOWS = 0.2, 60.0, 16
LONGEST_BATCH_S = 240.0
TITLES = (
    "checkpoint",
    "params",
    "windows",
    "features",
    "rounding",
    "encoder",
    "tokens",
    "compared",
    "wrong",
    "onnx-asr",
    "wrong",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A built entry and the checkpoint that it was built from."""

    shape: Shape
    entry: Path
    reference: Reference
    backend: OnnxBackend
    architecture: Architecture

    @property
    def folder(self) -> Path:
        return self.entry.parent

    @classmethod
    def build(cls, folder: Path, shape: Shape, *, precision: str = "fp32") -> Self:
        source = make_checkpoint(folder / "source", shape)
        build(folder / "entry", source=source, precision=precision, report=lambda _phase, _done: None)
        version = folder / "entry" / VERSION
        architecture = Architecture.load(version)
        backend = OnnxBackend(version, architecture, threads=1)
        return cls(shape, folder / "entry", Reference(source, shape.kind), backend, architecture)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`features` and `encoder` are the largest differences, the encoder's as a share of its largest output; `rounding`
    is that of transformers' features from themselves in double precision. `compared` windows have the margin; `wrong`
    ones of them say something else.
    """

    windows: int
    features: float
    rounding: float
    encoder: float
    compared: int
    wrong: int
    tokens: int


def random_batch(seed: int, *, longest_s: float = LONGEST_S, most: int = MOST_WINDOWS) -> list[Window]:
    """1 to `most` windows; fewer where they would be too long together for the reference's memory."""
    random = np.random.default_rng(seed)
    longest = float(np.exp(random.uniform(np.log(2 * SHORTEST_S), np.log(longest_s))))
    count = min(int(random.integers(1, most + 1)), max(1, int(LONGEST_BATCH_S / longest)))
    lengths_s = [longest, *random.uniform(SHORTEST_S, longest, count - 1)]
    return [window_of(float(length_s), seed * 100 + place) for place, length_s in enumerate(lengths_s)]


def compare(trial: Trial, windows: Sequence[Window]) -> Comparison:
    heard = trial.reference.hear(windows)
    found = trial.backend.decode(windows, lambda _row: False)
    cap = trial.architecture.max_symbols if trial.shape.kind == "tdt" else sys.maxsize
    pairs = [
        (row, wanted)
        for row, wanted in zip(found, heard, strict=True)
        if wanted.margin > LEAST_MARGIN and wanted.most_at_frame < cap
    ]
    vocabulary = Vocabulary.load(trial.entry / VERSION)
    features, rounding = _feature_differences(trial, windows)
    return Comparison(
        windows=len(windows),
        features=features,
        rounding=rounding,
        encoder=_encoder_difference(trial, windows),
        compared=len(pairs),
        wrong=sum(not _agree(row, wanted, vocabulary) for row, wanted in pairs),
        tokens=sum(len(wanted.tokens) for _row, wanted in pairs),
    )


def compare_with_onnx_asr(trial: Trial, windows: Sequence[Window]) -> tuple[int, int]:
    """How many windows were compared, and how many of them say something else."""
    heard = trial.reference.hear(windows)  # before the export, which changes the attention
    kind = trial.shape.kind
    export = export_as_nemo_does(trial.reference, trial.folder / "export")
    entry = trial.folder / "nemo-entry"
    build(entry, source=export, precision="fp32", report=lambda _phase, _done: None)
    backend = load_backend(entry / VERSION, threads=1, buckets_samples=())
    peer, vocabulary = OnnxAsr(export, kind), Vocabulary.load(entry / VERSION)
    clear = [
        window
        for window, wanted in zip(windows, heard, strict=True)
        if wanted.margin > PEER_MARGIN and wanted.most_at_frame < trial.architecture.max_symbols
    ]
    found = backend.decode(clear, lambda _row: False) if clear else []
    texts = ["".join(word.text for word in vocabulary.words(row.tokens)) if row else "" for row in found]
    return len(clear), sum(text != peer.hear(window)[0] for text, window in zip(texts, clear, strict=True))


def _agree(found: Emissions | None, wanted: Heard, vocabulary: Vocabulary) -> bool:
    if found is None or (found.tokens, found.starts, found.ends) != (wanted.tokens, wanted.starts, wanted.ends):
        return False
    return "".join(word.text for word in vocabulary.words(found.tokens)) == "".join(wanted.text.split())


def _feature_differences(trial: Trial, windows: Sequence[Window]) -> tuple[float, float]:
    """Ours and transformers' own, both from transformers' features computed in double precision."""
    ours, frames = FeatureExtractor(trial.architecture.mel_bins, trial.architecture.preemphasis).batch(windows)
    theirs = trial.reference.inputs(windows)
    assert theirs["attention_mask"].sum(-1).tolist() == frames.tolist()
    largest = [0.0, 0.0]
    for row, window in enumerate(windows):
        exact = trial.reference.exact_features(window)
        for place, features in enumerate((ours, theirs["input_features"].numpy())):
            largest[place] = max(largest[place], float(np.abs(features[row, : len(exact)] - exact).max()))
    return largest[0], largest[1]


def _encoder_difference(trial: Trial, windows: Sequence[Window]) -> float:
    """From the same features: what their last digits do to the encoder is not its doing."""
    theirs = trial.reference.encoded(windows)
    if trial.shape.kind == "ctc":
        exponents = [np.exp(row - row.max(-1, keepdims=True)) for row in theirs]
        theirs = [(row / row.sum(-1, keepdims=True)).max(-1) for row in exponents]
    inputs = trial.reference.inputs(windows)
    feeds = {"features": inputs["input_features"].numpy(), "frames": inputs["attention_mask"].sum(-1).numpy()}
    ours = trial.backend._encoder.run(None, feeds)[-1]
    largest = max(float(np.abs(row - own[: len(row)]).max()) for own, row in zip(ours, theirs, strict=True))
    return largest / max(float(np.abs(row).max()) for row in theirs)


def main() -> int:
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")  # generate() warns of a length that it chose itself
    logging.disable(logging.WARNING)  # as torch's exporter does of what is not installed
    print(*(f"{title:>10}" for title in TITLES))
    if sys.argv[1:] == ["large"]:
        holds, windows, compared = prove(Shape("tdt", seed=1, is_large=True), 1, longest_s=10.0, most=3)
    else:
        checkpoints = int(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINTS
        batches = int(sys.argv[2]) if len(sys.argv) > 2 else BATCHES
        shapes = [Shape(KINDS[number % len(KINDS)], seed=number) for number in range(checkpoints)]
        rows = [prove(shape, batches) for shape in shapes]
        holds = all(row[0] for row in rows)
        windows, compared = (sum(row[place] for row in rows) for place in (1, 2))
    print(f"{compared} of {windows} windows lead by more than {LEAST_MARGIN} all along and were compared")
    return 0 if holds and compared else 1


def prove(
    shape: Shape, batches: int, *, longest_s: float = LONGEST_S, most: int = MOST_WINDOWS
) -> tuple[bool, int, int]:
    """Prints the row of one checkpoint: whether all is equal, the windows, and those that were compared."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial.build(Path(folder), shape)
        inputs = [
            random_batch(shape.seed * batches + batch, longest_s=longest_s, most=most) for batch in range(batches)
        ]
        results = [compare(trial, windows) for windows in inputs]
        peer = (0, 0) if shape.is_large else compare_with_onnx_asr(trial, inputs[0])
        holds = _print_row(trial, results, peer)
    return holds, sum(result.windows for result in results), sum(result.compared for result in results)


def _print_row(trial: Trial, results: Sequence[Comparison], peer: tuple[int, int]) -> bool:
    features, rounding, encoder = (
        max(getattr(result, name) for result in results) for name in ("features", "rounding", "encoder")
    )
    wrong, tokens = sum(result.wrong for result in results), sum(result.tokens for result in results)
    params = sum(value.numel() for value in trial.reference.model.parameters())
    windows, compared = (sum(getattr(result, name) for result in results) for name in ("windows", "compared"))
    name = f"{trial.shape.seed + 1} {trial.shape.kind}"
    differences = (f"{value:.1e}" for value in (features, rounding, encoder))
    print(
        *(f"{value:>10}" for value in (name, params, windows, *differences, tokens, compared, wrong, *peer)), flush=True
    )
    return not wrong and not peer[1] and max(features, encoder) < TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
