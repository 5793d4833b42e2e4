"""The two ONNX Runtime sessions of Moonshine, with the memory that both graphs write in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.scratch import FloatArray, Scratch
from stenod_models.onnx_sessions import open_session, ort_value

PARTS: Final = ("key", "value")
# The decoder sees whole blocks of frames: vector kernels treat a partial block at the end differently, and such last
# bits, which would depend on the longest window of the batch, can grow where the next product rounds to 8 bits.
_FRAME_BLOCK: Final = 16


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """`keys_values` is float32 (layers, 2, batch, heads, frames, head size), `bias` (batch, 1, 1, frames).

    Both live in the encoder's scratch memory until its next batch.
    """

    keys_values: FloatArray
    bias: FloatArray


class Encoder:
    """Encodes windows one by one: on a CPU a batch gains nothing there, and no padding is computed."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._outputs = [f"cross_{part}_{layer}" for layer in range(arch.LAYERS) for part in PARTS] + ["cross_bias"]
        self._scratch = Scratch()

    def encode(self, windows: Sequence[npt.NDArray[np.int16]], *, padding_frames: int = 0) -> EncodedBatch:
        """Keys and values of a batch, with zeros behind the shorter windows.

        `padding_frames` has each window computed with that much padding; the result is the same.
        """
        counts = [arch.frames_of(len(window)) for window in windows]
        frames = -(-max(counts) // _FRAME_BLOCK) * _FRAME_BLOCK
        shape = (arch.LAYERS, len(PARTS), len(windows), arch.HEADS, frames, arch.HEAD_SIZE)
        batch = EncodedBatch(
            self._scratch.take("keys_values", shape), self._scratch.take("bias", (len(windows), 1, 1, frames))
        )
        for row, (window, count) in enumerate(zip(windows, counts, strict=True)):
            *tensors, bias = self._run(window, count + padding_frames)
            for index, tensor in enumerate(tensors):
                target = batch.keys_values[index // 2, index % 2, row]
                target[:, :count] = tensor[0, :, :count]
                target[:, count:] = 0.0  # masked, but what is masked must be finite
            batch.bias[row, :, :, :count] = bias[0, :, :, :count]
            batch.bias[row, :, :, count:] = arch.MASKED
        return batch

    def _run(self, window: npt.NDArray[np.int16], frames: int) -> list[FloatArray]:
        audio = np.zeros((1, arch.padded_samples(frames)), np.int16)
        kept = window[: audio.shape[1]]
        audio[0, : len(kept)] = kept
        inputs = {"audio": ort_value(audio), "samples": ort_value(np.array([len(window)], np.int32))}
        return [value.numpy() for value in self._session.run_with_ort_values(self._outputs, inputs)]


class Decoder:
    """The step graph; `start` binds it to one batch."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        self._attention_heads = int(shapes["attention"][1])
        self._scratch = Scratch()

    def start(self, encoded: EncodedBatch, capacity: int) -> "DecoderRun":
        """Begin a batch of which no row takes more than `capacity` steps; ends the one before."""
        batch, _one, _one_too, frames = encoded.bias.shape
        cache_shape = (arch.LAYERS, len(PARTS), batch, arch.HEADS, capacity, arch.CACHED_HEAD_SIZE)
        attention_shape = (capacity, batch, self._attention_heads, 1, frames)
        cache = self._scratch.take("cache", cache_shape)
        return DecoderRun(self._session, encoded, cache, self._scratch.take("attention", attention_shape))


class DecoderRun:
    """One batch in decoding; a decoding.greedy.Step.

    `attention` is float32 (capacity, batch, heads, 1, frames), filled step by step.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, encoded: EncodedBatch, cache: FloatArray, attention: FloatArray
    ) -> None:
        batch = encoded.bias.shape[0]
        self._session = session
        self._encoded = encoded
        self._cache = cache
        self.attention = attention
        self._tokens = np.zeros((batch, 1), np.int64)
        self._past = np.zeros(batch, np.int32)
        self._total = np.ones(1, np.int32)
        self._next_tokens = np.zeros((batch, 1), np.int64)
        self._probabilities = np.zeros((batch, 1), np.float32)
        self._rows = 0
        self._bind(batch)

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        rows = len(tokens)
        if rows != self._rows:
            self._bind(rows)
        self._tokens[:rows, 0] = tokens
        place = self.attention[self._past[0], :rows]
        self._binding.bind_ortvalue_output("attention", ort_value(place))
        self._session.run_with_iobinding(self._binding)
        self._past += 1
        self._total += 1
        return self._next_tokens[:rows, 0], self._probabilities[:rows, 0]

    def _bind(self, rows: int) -> None:
        """Bind the first rows of everything. Past and present keys are the same memory: the fused attention appends
        in place and copies nothing.
        """
        inputs: dict[str, npt.NDArray[Any]] = {
            "tokens": self._tokens[:rows],
            "past_lengths": self._past[:rows],
            "total_length": self._total,
            "cross_bias": self._encoded.bias[:rows],
        }
        outputs: dict[str, npt.NDArray[Any]] = {
            "next_tokens": self._next_tokens[:rows],
            "probabilities": self._probabilities[:rows],
        }
        for layer in range(arch.LAYERS):
            for index, part in enumerate(PARTS):
                inputs[f"cross_{part}_{layer}"] = self._encoded.keys_values[layer, index, :rows]
                inputs[f"past_{part}_{layer}"] = self._cache[layer, index, :rows]
                outputs[f"present_{part}_{layer}"] = self._cache[layer, index, :rows]
        self._rows = rows
        self._binding = self._session.io_binding()
        self._bound = {name: ort_value(array) for name, array in (inputs | outputs).items()}
        for name in inputs:
            self._binding.bind_ortvalue_input(name, self._bound[name])
        for name in outputs:
            self._binding.bind_ortvalue_output(name, self._bound[name])
