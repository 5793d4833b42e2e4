"""ONNX Runtime on the graphs of a NeMo export, as onnx-asr's directories hold them.

There the prediction and the joint network are one graph, which gives logits: it is run for every frame looked at, and
the state that it gives counts once the row has said a label.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.parakeet.architecture import Architecture, encoded_frames
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.features import FeatureExtractor
from stenod_models.families.parakeet.joint_scores import Head
from stenod_models.families.parakeet.label_looping import Choices, Limits, decode_transducer
from stenod_models.families.parakeet.search import GREEDY, Search, search_ctc, search_transducer
from stenod_models.onnx_sessions import open_session
from stenod_models.recogniser import Int16Audio

CTC: Final = "model.onnx"
ENCODER: Final = "encoder-model.onnx"
DECODER: Final = "decoder_joint-model.onnx"

FloatArray = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


class NemoBackend:
    """Windows to emissions on a CPU."""

    max_padding_ratio = 0.1  # all are computed as one batch, padding and all

    def __init__(self, artefacts: Path, architecture: Architecture, *, threads: int) -> None:
        self._arch = architecture
        self._features = FeatureExtractor(architecture.mel_bins, architecture.preemphasis)
        self._limits = Limits(architecture.blank, architecture.max_symbols)
        self._encoder = open_session(artefacts / (CTC if architecture.kind == "ctc" else ENCODER), threads)
        if architecture.kind != "ctc":
            self._decoder = open_session(artefacts / DECODER, threads)

    def encode(self, windows: Sequence[Int16Audio]) -> list[FloatArray]:
        """Of each window its own frames: what the encoder gives, or a CTC model's log-probabilities."""
        features, frames = self._features.batch(windows)
        inputs = {"audio_signal": features.transpose(0, 2, 1), "length": frames}
        encoded = self._encoder.run(None, inputs)[0]
        if self._arch.kind != "ctc":
            encoded = encoded.transpose(0, 2, 1)
        return [row[: encoded_frames(int(count))] for row, count in zip(encoded, frames, strict=True)]

    def decode(
        self, windows: Sequence[Int16Audio], is_cancelled: Callable[[int], bool], search: Search = GREEDY
    ) -> list[Emissions | None]:
        encoded = self.encode(windows)
        if self._arch.kind == "ctc":
            blank = self._limits.blank
            return [None if is_cancelled(row) else search_ctc(one, blank, search) for row, one in enumerate(encoded)]
        run = _Run(self._decoder, encoded, self._arch, width=search.beam_size)
        lengths = [len(one) for one in encoded]
        if search.needs_scores:
            return search_transducer(run, lengths, self._arch, search, is_cancelled)
        return decode_transducer(run, lengths, self._limits, is_cancelled=is_cancelled)


class _Run:
    """One batch in decoding, `width` rows for each window; a label_looping.Transducer and a ScoringTransducer."""

    def __init__(
        self,
        decoder: onnxruntime.InferenceSession,
        windows: Sequence[FloatArray],
        architecture: Architecture,
        *,
        width: int,
    ) -> None:
        rows = width * len(windows)
        self._decoder = decoder
        self._windows = windows
        self._width = width
        self._head = Head.of(architecture)
        self._types = {entry.name: _numpy_type(entry.type) for entry in decoder.get_inputs()}
        shape = (2, architecture.predictor_layers, rows, architecture.predictor_size)
        self._states = np.zeros(shape, np.float32)  # before each row's last token …
        self._following = np.zeros(shape, np.float32)  # … and after it
        self._tokens = np.full(rows, architecture.blank, np.int64)

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        self._states[:, :, rows] = self._following[:, :, rows]
        self._tokens[rows] = tokens

    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        return self._head.choices(self.score(rows, frames))

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        windows = rows // self._width
        encoded = np.stack([self._windows[window][frame] for window, frame in zip(windows, frames, strict=True)])
        inputs = {
            "encoder_outputs": encoded[:, :, None],
            "targets": self._tokens[rows, None].astype(self._types["targets"]),
            "target_length": np.ones(len(rows), self._types["target_length"]),
            "input_states_1": self._states[0][:, rows],
            "input_states_2": self._states[1][:, rows],
        }
        logits, first, second = self._decoder.run(["outputs", "output_states_1", "output_states_2"], inputs)
        self._following[:, :, rows] = np.stack([first, second])
        scores: FloatArray = logits.reshape(len(rows), -1)
        return scores

    def reorder(self, parents: Int64Array) -> None:
        self._states, self._following = self._states[:, :, parents], self._following[:, :, parents]
        self._tokens = self._tokens[parents]


def _numpy_type(name: str) -> Any:
    return {"tensor(int32)": np.int32, "tensor(int64)": np.int64}.get(name, np.float32)
