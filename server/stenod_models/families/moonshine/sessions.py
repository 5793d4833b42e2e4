"""The ONNX Runtime sessions of Moonshine, with the memory that its graphs write in place."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.memory import EncodedWindow, Memory
from stenod_models.onnx_memory import Array, Binding, Blocks
from stenod_models.onnx_sessions import open_session, ort_value

FloatArray = npt.NDArray[np.float32]

_MEMORY: Final = ("key", "value", "offset")
_CACHE: Final = ("key", "value")


class Encoder:
    """Encodes a window at a time: on a CPU a batch gains nothing there, and no padding is computed."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._outputs = [f"cross_{part}_{layer}" for part in _MEMORY for layer in range(arch.LAYERS)]

    def encode(self, window: npt.NDArray[np.int16], *, padding_frames: int = 0) -> EncodedWindow:
        """`padding_frames` has the window computed with that much padding; the result is the same."""
        count = arch.frames_of(len(window))
        audio = np.zeros((1, arch.padded_samples(count + padding_frames)), np.int16)
        kept = window[: audio.shape[1]]
        audio[0, : len(kept)] = kept
        inputs = {"audio": ort_value(audio), "samples": ort_value(np.array([len(window)], np.int32))}
        found = [value.numpy()[0] for value in self._session.run_with_ort_values(self._outputs, inputs)]
        keys, values, offsets = (found[first : first + arch.LAYERS] for first in range(0, len(found), arch.LAYERS))
        return EncodedWindow(
            keys=[tensor[:, :, :count] for tensor in keys],
            values=[tensor[:, :count] for tensor in values],
            offsets=[tensor[:, :, :count] for tensor in offsets],
        )


class _State(threading.local):
    """What a batch is laid out in, for each thread."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.blocks = Blocks(np.float32)


class StepGraph:
    """A graph that advances rows by one token; `start` has it work on a batch of them. Every thread may have one."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        self.attention_heads = int(shapes["attention"][1])
        self._state = _State()

    def start(self, rows: int, capacity: int, beam_size: int = 1) -> "StepBatch":
        """At most so many rows at once, none of which takes more than `capacity` steps; ends the one before."""
        memory = self._state.memory
        memory.start(rows)
        shape = (arch.LAYERS, len(_CACHE), rows * beam_size, arch.HEADS, capacity, arch.CACHED_HEAD_SIZE)
        return StepBatch(self._session, memory, self._state.blocks.take("cache", shape).numpy(), beam_size)


class StepBatch:
    """Rows in decoding, with a slot for each hypothesis of a window.

    `cache` is float32 (layers, 2, slots, heads, capacity, head size), of which slot i has filled `past[i]` steps.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, memory: Memory, cache: FloatArray, beam_size: int
    ) -> None:
        self.memory = memory
        self.cache = cache
        self.beam_size = beam_size
        self._session = session
        slots = cache.shape[2]
        self.past = np.zeros(slots, np.int32)
        self._tokens = np.zeros((slots, 1), np.int64)
        self._total = np.ones(1, np.int32)
        self._bound = (0, 0)

    def admit(self, row: int, window: EncodedWindow) -> None:
        """Begin with a window in the next row, or in place of another one."""
        self.memory.put(row, window)
        self.past[row * self.beam_size : (row + 1) * self.beam_size] = 0

    def drop(self, row: int, last: int) -> None:
        """Row `last` takes the place of this one. For a slot in a row."""
        self.memory.drop(row)
        past = self.past[row] = self.past[last]
        if row < last:
            self.cache[:, :, row, :, :past] = self.cache[:, :, last, :, :past]

    def advance(self, tokens: npt.NDArray[np.int64], *, given: Mapping[str, Array], taken: Mapping[str, Array]) -> None:
        """One step of the first slots by their last tokens (slots,). `given` and `taken` are what the graph reads and
        writes besides the state.
        """
        slots = len(tokens)
        if self._bound != (slots, self.memory.frames):
            self._bind(slots)
        self._tokens[:slots, 0] = tokens
        self._total[0] = self.past[:slots].max() + 1
        for name, array in given.items():
            self._binding.give(name, array)
        for name, array in taken.items():
            self._binding.take(name, array)
        self._binding.run()
        self.past[:slots] += 1

    def _bind(self, slots: int) -> None:
        """Bind the first slots of the state. Past and present keys are the same memory: the fused attention appends
        in place and copies nothing.
        """
        rows = slots // self.beam_size
        held: tuple[Array, ...] = (self.memory.keys, self.memory.values, self.memory.offsets)
        binding = Binding(self._session)
        binding.give("tokens", self._tokens[:slots])
        binding.give("past_lengths", self.past[:slots])
        binding.give("total_length", self._total)
        for layer in range(arch.LAYERS):
            for part, tensor in zip(_MEMORY, held, strict=True):
                binding.give(f"cross_{part}_{layer}", tensor[layer, :rows])
            for index, part in enumerate(_CACHE):
                binding.give(f"past_{part}_{layer}", self.cache[layer, index, :slots])
                binding.take(f"present_{part}_{layer}", self.cache[layer, index, :slots])
        self._binding = binding
        self._bound = (slots, self.memory.frames)
