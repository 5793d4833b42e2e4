"""The ONNX Runtime sessions of Moonshine, with the memory that its graphs write in place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.moonshine import architecture as arch
from stenod_models.onnx_memory import Array, Binding, Blocks
from stenod_models.onnx_sessions import open_session, ort_value

FloatArray = npt.NDArray[np.float32]

_PARTS: Final = ("key", "value")
# The decoder sees whole blocks of frames: vector kernels treat a partial block at the end differently, and such last
# bits, which would depend on the longest window of the batch, can grow where the next product rounds to 8 bits.
_FRAME_BLOCK: Final = 16


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """`keys_values` is float32 (layers, 2, batch, heads, frames, head size), `bias` (batch, 1, 1, frames).

    Both live in the encoder's memory until its next batch.
    """

    keys_values: FloatArray
    bias: FloatArray


class Encoder:
    """Encodes windows one by one: on a CPU a batch gains nothing there, and no padding is computed."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._outputs = [f"cross_{part}_{layer}" for layer in range(arch.LAYERS) for part in _PARTS] + ["cross_bias"]
        self._blocks = Blocks(np.float32)

    def encode(self, windows: Sequence[npt.NDArray[np.int16]], *, padding_frames: int = 0) -> EncodedBatch:
        """Keys and values of a batch, with zeros behind the shorter windows.

        `padding_frames` has each window computed with that much padding; the result is the same.
        """
        counts = [arch.frames_of(len(window)) for window in windows]
        frames = -(-max(counts) // _FRAME_BLOCK) * _FRAME_BLOCK
        shape = (arch.LAYERS, len(_PARTS), len(windows), arch.HEADS, frames, arch.HEAD_SIZE)
        keys_values = self._blocks.take("keys_values", shape).numpy()
        batch = EncodedBatch(keys_values, self._blocks.take("bias", (len(windows), 1, 1, frames)).numpy())
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


class StepGraph:
    """A graph that advances a batch by one token; `start` has it work on one."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        self._attention_heads = int(shapes["attention"][1])
        self._blocks = Blocks(np.float32)

    def start(self, encoded: EncodedBatch, capacity: int, beam_size: int = 1) -> "StepBatch":
        """Begin a batch of which no row takes more than `capacity` steps; ends the one before."""
        batch, _one, _one_too, frames = encoded.bias.shape
        cache_shape = (arch.LAYERS, len(_PARTS), batch * beam_size, arch.HEADS, capacity, arch.CACHED_HEAD_SIZE)
        attention_shape = (capacity, batch, self._attention_heads, beam_size, frames)
        cache = self._blocks.take("cache", cache_shape).numpy()
        return StepBatch(self._session, encoded, cache, self._blocks.take("attention", attention_shape).numpy())


class StepBatch:
    """One batch in decoding, with a slot for each hypothesis of its windows.

    `cache` is float32 (layers, 2, slots, heads, capacity, head size), of which `past` steps are filled; `attention` is
    float32 (capacity, batch, heads, beam, frames), filled step by step.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, encoded: EncodedBatch, cache: FloatArray, attention: FloatArray
    ) -> None:
        self.cache = cache
        self.attention = attention
        self.beam_size = attention.shape[3]
        self._session = session
        self._encoded = encoded
        slots = cache.shape[2]
        self._tokens = np.zeros((slots, 1), np.int64)
        self._past = np.zeros(slots, np.int32)
        self._total = np.ones(1, np.int32)
        self._bound_slots = 0

    @property
    def past(self) -> int:
        return int(self._past[0])

    def advance(self, tokens: npt.NDArray[np.int64], *, given: Mapping[str, Array], taken: Mapping[str, Array]) -> None:
        """One step of the first slots by their last tokens (slots,). `given` and `taken` are what the graph reads and
        writes besides the state.
        """
        slots = len(tokens)
        if slots != self._bound_slots:
            self._bind(slots)
        self._tokens[:slots, 0] = tokens
        for name, array in given.items():
            self._binding.give(name, array)
        for name, array in taken.items():
            self._binding.take(name, array)
        self._binding.take("attention", self.attention[self.past, : slots // self.beam_size])
        self._binding.run()
        self._past += 1
        self._total += 1

    def _bind(self, slots: int) -> None:
        """Bind the first slots of the state. Past and present keys are the same memory: the fused attention appends
        in place and copies nothing.
        """
        rows = slots // self.beam_size
        binding = Binding(self._session)
        binding.give("tokens", self._tokens[:slots])
        binding.give("past_lengths", self._past[:slots])
        binding.give("total_length", self._total)
        binding.give("cross_bias", self._encoded.bias[:rows])
        for layer in range(arch.LAYERS):
            for index, part in enumerate(_PARTS):
                binding.give(f"cross_{part}_{layer}", self._encoded.keys_values[layer, index, :rows])
                binding.give(f"past_{part}_{layer}", self.cache[layer, index, :slots])
                binding.take(f"present_{part}_{layer}", self.cache[layer, index, :slots])
        self._binding = binding
        self._bound_slots = slots
