"""The ONNX Runtime sessions of a Parakeet model, and one batch in decoding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.parakeet.architecture import Architecture, encoded_frames
from stenod_models.families.parakeet.ctc import collapse
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.features import FeatureExtractor
from stenod_models.families.parakeet.label_looping import Choices, Limits, decode_transducer
from stenod_models.families.parakeet.search import GREEDY, Search, search_ctc, search_transducer
from stenod_models.onnx_sessions import open_session
from stenod_models.recogniser import Int16Audio

ENCODER: Final = "encoder.onnx"
PREDICTOR: Final = "predictor.onnx"
JOINT: Final = "joint.onnx"

# Outputs of the graphs; those that nobody asks for are not copied.
_CHOICES: Final = ["tokens", "probabilities"]
_DURATIONS: Final = ["durations"]
_SCORES: Final = ["scores"]
_ENCODED: Final = ["encoded"]

FloatArray = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


class OnnxBackend:
    """Windows to emissions on a CPU."""

    max_padding_ratio = 1.0  # the encoder pads nothing, and the decoder leaves finished rows out

    def __init__(self, artefacts: Path, architecture: Architecture, *, threads: int) -> None:
        self._arch = architecture
        self._features = FeatureExtractor(architecture.mel_bins, architecture.preemphasis)
        self._encoder = open_session(artefacts / ENCODER, threads)
        self._limits = Limits(architecture.blank, architecture.max_symbols)
        self._outputs = _CHOICES if architecture.kind == "ctc" else _ENCODED
        if architecture.kind != "ctc":
            self._predictor = open_session(artefacts / PREDICTOR, threads)
            self._joint = open_session(artefacts / JOINT, threads)

    def encode(self, windows: Sequence[Int16Audio]) -> list[FloatArray]:
        """Of each window its own frames: what the joint network adds to; of a CTC model each frame's probability."""
        return [self._encode(window, self._outputs)[-1] for window in windows]

    def decode(
        self,
        windows: Sequence[Int16Audio],
        is_cancelled: Callable[[int], bool],
        search: Search = GREEDY,
        *,
        padding_frames: int = 0,
    ) -> list[Emissions | None]:
        """`padding_frames` has every window computed with that much padding, to prove that it changes nothing."""
        names = self._outputs if not search.needs_scores or self._arch.kind != "ctc" else _SCORES
        encoded = [
            None if is_cancelled(row) else self._encode(window, names, padding_frames)
            for row, window in enumerate(windows)
        ]
        if self._arch.kind == "ctc":
            return [None if outputs is None else self._collapsed(outputs, search) for outputs in encoded]
        lengths = [0 if outputs is None else len(outputs[0]) for outputs in encoded]
        frames = np.zeros((len(windows), max(1, *lengths), self._arch.predictor_size), np.float32)
        for row, outputs in enumerate(encoded):
            if outputs is not None:
                frames[row, : lengths[row]] = outputs[0]
        run = _Run(self._predictor, self._joint, frames, self._arch, width=search.beam_size)
        if search.needs_scores:
            found = search_transducer(run, lengths, self._arch, search, is_cancelled)
        else:
            found = decode_transducer(run, lengths, self._limits, is_cancelled=is_cancelled)
        return [None if outputs is None else row for outputs, row in zip(encoded, found, strict=True)]

    def _collapsed(self, outputs: Sequence[Any], search: Search) -> Emissions:
        blank = self._limits.blank
        return search_ctc(outputs[0], blank, search) if search.needs_scores else collapse(outputs[0], outputs[1], blank)

    def _encode(self, window: Int16Audio, names: Sequence[str], padding_frames: int = 0) -> list[Any]:
        """The encoder's outputs for one window. On a CPU a batch gains nothing there, and so no padding is computed;
        and what a window gives is bit for bit the same, whatever it is recognised with.
        """
        features, frames = self._features.batch([window])
        padded = np.pad(features, ((0, 0), (0, padding_frames), (0, 0))) if padding_frames else features
        outputs = self._encoder.run(names, {"features": padded, "frames": frames})
        return [output[0, : encoded_frames(int(frames[0]))] for output in outputs]


class _Run:
    """One batch in decoding, `width` rows for each window; a label_looping.Transducer and a ScoringTransducer."""

    def __init__(
        self,
        predictor: onnxruntime.InferenceSession,
        joint: onnxruntime.InferenceSession,
        encoded: FloatArray,
        architecture: Architecture,
        *,
        width: int = 1,
    ) -> None:
        rows, size = len(encoded) * width, architecture.predictor_size
        self._width = width
        self._predictor = predictor
        self._joint = joint
        self._encoded = encoded
        self._has_durations = architecture.kind == "tdt"
        self._hidden = np.zeros((architecture.predictor_layers, rows, size), np.float32)
        self._cell = np.zeros_like(self._hidden)
        self._predicted = np.zeros((rows, size), np.float32)

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        inputs = {"tokens": tokens, "hidden": self._hidden[:, rows], "cell": self._cell[:, rows]}
        hidden, cell, predicted = self._predictor.run(["next_hidden", "next_cell", "predicted"], inputs)
        self._hidden[:, rows] = hidden
        self._cell[:, rows] = cell
        self._predicted[rows] = predicted

    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        outputs = self._run_joint([*_CHOICES, *_DURATIONS] if self._has_durations else _CHOICES, rows, frames)
        tokens, probabilities = outputs[:2]
        durations = outputs[2] if self._has_durations else np.zeros_like(tokens)
        return Choices(tokens, durations, probabilities)

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        (scores,) = self._run_joint(_SCORES, rows, frames)
        return scores

    def reorder(self, parents: Int64Array) -> None:
        self._hidden, self._cell = self._hidden[:, parents], self._cell[:, parents]
        self._predicted = self._predicted[parents]

    def _run_joint(self, names: Sequence[str], rows: Int64Array, frames: Int64Array) -> list[npt.NDArray[Any]]:
        encoded = self._encoded[rows // self._width, frames]
        inputs = {"encoded": encoded, "predicted": self._predicted[rows]}
        outputs: list[npt.NDArray[Any]] = self._joint.run(names, inputs)
        return outputs
