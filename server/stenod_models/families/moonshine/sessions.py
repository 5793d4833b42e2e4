"""The two ONNX Runtime sessions of Moonshine, with the token cache in memory that the decoder writes in place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.moonshine import architecture as arch

_ERRORS_ONLY: Final = 3


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    # Spinning threads would burn the cores that decode, segment and serve.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without integer dot products x86 would saturate 8-bit sums; this takes the slower exact kernels there.
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Shapes vary with the bucket and the batch: patterns planned for one would be kept for each.
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _ort_value(array: npt.NDArray[Any]) -> onnxruntime.OrtValue:
    """A view for ONNX Runtime: both sides see the same memory, and the array must outlive it."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


class Encoder:
    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def encode(self, windows: Sequence[npt.NDArray[np.int16]], frames: int) -> dict[str, onnxruntime.OrtValue]:
        """Cross-attention tensors of a batch padded to `frames` encoder frames."""
        audio = np.zeros((len(windows), arch.padded_samples(frames)), np.int16)
        for row, window in zip(audio, windows, strict=True):
            kept = window[: len(row)]
            row[: len(kept)] = kept
        lengths = np.array([len(window) for window in windows], np.int32)
        inputs = {"audio": _ort_value(audio), "samples": _ort_value(lengths)}
        values = self._session.run_with_ort_values(self._outputs, inputs)
        return dict(zip(self._outputs, values, strict=True))


class Decoder:
    """The step graph; `start` binds it to one batch."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        self._attention_heads = int(shapes["attention"][1])

    def start(self, cross: dict[str, onnxruntime.OrtValue], capacity: int) -> "DecoderRun":
        """Begin a batch of which no row takes more than `capacity` steps."""
        return DecoderRun(self._session, cross, capacity, self._attention_heads)


class DecoderRun:
    """One batch in decoding. `attention` is float32 (capacity, batch, heads, frames), filled step by step."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        cross: dict[str, onnxruntime.OrtValue],
        capacity: int,
        attention_heads: int,
    ) -> None:
        batch, _one, _one_too, frames = cross["cross_bias"].shape()
        self._session = session
        self._binding = session.io_binding()
        self._tokens = np.zeros((batch, 1), np.int64)
        self._past = np.zeros(batch, np.int32)
        self._total = np.ones(1, np.int32)
        self._next_tokens = np.zeros((batch, 1), np.int64)
        self._probabilities = np.zeros((batch, 1), np.float32)
        self._step_attention = np.zeros((batch, attention_heads, 1, frames), np.float32)
        self.attention = np.empty((capacity, batch, attention_heads, frames), np.float32)
        inputs = {
            "tokens": _ort_value(self._tokens),
            "past_lengths": _ort_value(self._past),
            "total_length": _ort_value(self._total),
            **cross,
        }
        outputs = {
            "next_tokens": _ort_value(self._next_tokens),
            "probabilities": _ort_value(self._probabilities),
            "attention": _ort_value(self._step_attention),
        }
        # Past and present are the same memory: the fused attention then appends in place and copies nothing.
        self._cache = np.zeros((arch.LAYERS, 2, batch, arch.HEADS, capacity, arch.CACHED_HEAD_SIZE), np.float32)
        for layer in range(arch.LAYERS):
            for part, name in enumerate(("key", "value")):
                shared = _ort_value(self._cache[layer, part])
                inputs[f"past_{name}_{layer}"] = shared
                outputs[f"present_{name}_{layer}"] = shared
        for name, value in inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._bound = (inputs, outputs)  # the binding does not keep its values alive

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """One step; see decoding.greedy.Step. Returns views that the next step overwrites."""
        self._tokens[:, 0] = tokens
        self._session.run_with_iobinding(self._binding)
        self.attention[self._past[0]] = self._step_attention[:, :, 0, :]
        self._past += 1
        self._total += 1
        return self._next_tokens[:, 0], self._probabilities[:, 0]
