"""Tries a built Parakeet entry against the torch model that it was built from."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.parakeet_checkpoint import Checkpoint
from stenod_models.families.parakeet.runtime import load_backend
from stenod_models.recogniser import Int16Audio

FloatArray = npt.NDArray[np.float32]

_LENGTHS_S: Final = (3.0, 1.3, 0.4)  # one batch, so that padding is tried too
# Of the encoder's outputs, as a share of the largest: what rounding makes of them, and far from what a mistake does.
_MOST_DIFFERENCE: Final = {"fp32": 1e-3, "fp16": 0.05, "bf16": 0.2, "int8": 0.3}
# Of the tokens, where weights are not rounded. What is at hand to try is noise, on which rounded ones choose otherwise.
_LEAST_AGREEMENT_RATIO: Final = 0.98


@dataclass(frozen=True, slots=True)
class Verification:
    """`difference` is the largest of the encoder's outputs, as a share of the largest output."""

    difference: float
    equal: int
    tokens: int

    def __str__(self) -> str:
        return f"encoder within {self.difference:.1e} of torch's, {self.equal} of {self.tokens} tokens equal"


def verify(version: Path, checkpoint: Checkpoint) -> Verification:
    """Raises ModelBuildError where the built model does not say what the torch model says."""
    windows = [_sound(seconds, seed) for seed, seconds in enumerate(_LENGTHS_S)]
    backend = load_backend(version, threads=0, buckets_samples=[len(windows[0])])
    expected = _heard_by_torch(checkpoint, windows)
    found = [row.tokens if row else [] for row in backend.decode(windows, lambda _row: False)]
    equal = sum(_agreeing(row, wanted) for row, wanted in zip(found, expected, strict=True))
    result = Verification(_difference(checkpoint, windows, backend.encode(windows)), equal, sum(map(len, expected)))
    precision = checkpoint.architecture.precision
    most = max(result.tokens, sum(map(len, found)))
    is_other_text = precision == "fp32" and equal < most * _LEAST_AGREEMENT_RATIO
    if result.difference > _MOST_DIFFERENCE[precision] or is_other_text:
        raise ModelBuildError(f"the built model differs from the one that it was built from: {result}")
    return result


def _agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both have in the same order."""
    return sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())


def _difference(checkpoint: Checkpoint, windows: Sequence[Int16Audio], ours: Sequence[FloatArray]) -> float:
    torch = importlib.import_module("torch")
    inputs = _inputs(checkpoint, windows)
    with torch.inference_mode():
        if checkpoint.architecture.kind == "ctc":
            theirs = checkpoint.model(**inputs).logits.softmax(dim=-1).amax(dim=-1)
        else:
            theirs = checkpoint.model.get_audio_features(**inputs).pooler_output
    largest = max(float(abs(row[: len(own)].numpy() - own).max()) for row, own in zip(theirs, ours, strict=True))
    return largest / float(theirs.abs().max())


def _heard_by_torch(checkpoint: Checkpoint, windows: Sequence[Int16Audio]) -> list[list[int]]:
    torch = importlib.import_module("torch")
    inputs = _inputs(checkpoint, windows)
    with torch.inference_mode():
        generated = checkpoint.model.generate(**inputs, **_generation_options(checkpoint))
        lengths = checkpoint.model._get_subsampling_output_length(inputs["attention_mask"].sum(-1)).tolist()  # noqa: SLF001
    blank = checkpoint.architecture.blank
    if checkpoint.architecture.kind == "ctc":
        return [
            [token for place, token in enumerate(row) if token != blank and (place == 0 or row[place - 1] != token)]
            for row in generated.tolist()
        ]
    rows = zip(generated.sequences, generated.durations, lengths, strict=True)
    # A row whose frames are used up goes on stepping with its batch; what it says then is not its text.
    return [_labels(tokens, durations, length, blank) for tokens, durations, length in rows]


def _generation_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """The model's own generate() chooses its token among the durations' logits too, unless they are kept out."""
    architecture = checkpoint.architecture
    if architecture.kind == "ctc":
        return {}
    size = architecture.vocabulary_size
    kept_out = list(range(size, size + len(architecture.durations)))
    options: dict[str, Any] = {"decoder_start_token_id": architecture.blank}
    return {**options, "suppress_tokens": kept_out} if kept_out else options


def _labels(tokens: Any, durations: Any, length: int, blank: int) -> list[int]:
    starts = durations.cumsum(0) - durations
    kept: list[int] = tokens[(tokens != blank) & (starts < length)].tolist()
    return kept


def _inputs(checkpoint: Checkpoint, windows: Sequence[Int16Audio]) -> Any:
    audio = [window.astype(np.float32) / np.float32(32768) for window in windows]
    return checkpoint.feature_extractor(audio, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")


def _sound(seconds: float, seed: int) -> Int16Audio:
    """Noise that swells and fades under a gliding tone: no speech, but never twice the same."""
    random = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * (200 + 300 * np.sin(3 * time_s)) * time_s)
    noise: npt.NDArray[np.float64] = random.normal(0, 1, len(time_s)) * (1 + np.sin(7 * time_s))
    window: Int16Audio = (tone * 4000 + noise * 800).astype(np.int16)
    return window
