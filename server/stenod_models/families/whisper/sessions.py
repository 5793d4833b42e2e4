"""The two ONNX Runtime sessions of Whisper, with the memory that both graphs write in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.families.moonshine.scratch import FloatArray, Scratch
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.onnx_sessions import open_session, ort_value

_PARTS: Final = ("key", "value")
SUPPRESSED: Final = np.float32(-1e9)  # exp() of it is exactly 0, and unlike -inf it survives subtraction
NO_BOOSTS: Final = np.zeros((1, 1), np.float32)


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """`keys_values` is float32 (layers, 2, batch, heads, frames, head size); it lives in the encoder's scratch memory
    until its next batch.
    """

    keys_values: FloatArray

    @property
    def rows(self) -> int:
        return int(self.keys_values.shape[2])

    def only(self, rows: Sequence[int]) -> "EncodedBatch":
        """These rows alone; copied unless they are all."""
        if list(rows) == list(range(self.rows)):
            return self
        return EncodedBatch(np.ascontiguousarray(self.keys_values[:, :, list(rows)]))


class Encoder:
    """Encodes windows one by one: on a CPU a batch gains nothing there."""

    def __init__(self, path: Path, arch: Architecture, threads: int) -> None:
        self._session = open_session(path, threads)
        self._arch = arch
        self._scratch = Scratch()

    def encode(self, features: Sequence[FloatArray]) -> EncodedBatch:
        """`features` holds float32 (mels, frames) for each window."""
        arch = self._arch
        shape = (arch.decoder_layers, 2, len(features), arch.decoder_heads, arch.source_positions, arch.head_size)
        keys_values = self._scratch.take("keys_values", shape)
        for row, window in enumerate(features):
            binding = self._session.io_binding()
            binding.bind_ortvalue_input("features", ort_value(window[None]))
            for layer in range(arch.decoder_layers):
                for index, part in enumerate(_PARTS):
                    place = ort_value(keys_values[layer, index, row : row + 1])
                    binding.bind_ortvalue_output(f"cross_{part}_{layer}", place)
            self._session.run_with_iobinding(binding)
        return EncodedBatch(keys_values)


class Decoder:
    """The decoder graph; `start` binds it to one batch."""

    def __init__(self, path: Path, arch: Architecture, threads: int) -> None:
        self._session = open_session(path, threads)
        self._arch = arch
        self._scratch = Scratch()

    def start(self, encoded: EncodedBatch, *, capacity: int, steps: int, frames: int) -> "DecoderRun":
        """Begin a batch of at most `capacity` tokens a row, prompt included, of which `steps` are decoded; ends the one
        before. `frames` of the attention are kept.
        """
        arch = self._arch
        cache_shape = (arch.decoder_layers, 2, encoded.rows, arch.decoder_heads, capacity, arch.head_size)
        attention_shape = (steps, encoded.rows, len(arch.alignment_heads), 1, frames)
        cache = self._scratch.take("cache", cache_shape)
        return DecoderRun(self._session, encoded, cache, self._scratch.take("attention", attention_shape))


class DecoderRun:
    """One batch in decoding. `attention` is float32 (steps, batch, heads, 1, frames), filled step by step."""

    def __init__(
        self, session: onnxruntime.InferenceSession, encoded: EncodedBatch, cache: FloatArray, attention: FloatArray
    ) -> None:
        self._session = session
        self._encoded = encoded
        self._cache = cache
        self.attention = attention
        self._steps = 0
        self._length = 0
        self._total = np.zeros(1, np.int32)
        self._last = np.zeros(encoded.rows, np.int32)
        self._frames = np.array([attention.shape[-1]], np.int64)
        self._next = np.zeros((encoded.rows, 1), np.int64)
        self._logs = np.zeros((encoded.rows, 1), np.float32)
        self._bound: dict[str, onnxruntime.OrtValue] = {}
        self._binding = session.io_binding()
        self._rows = 0

    def advance(
        self, tokens: npt.NDArray[np.int64], suppressed: FloatArray, boosts: FloatArray = NO_BOOSTS
    ) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Take tokens (rows, steps) in, give the next token of each row and its log probability, (rows,) each.

        The first call takes the prompt, each later one a token per row. `rows` never grows. Memory is reused.
        """
        self._feed(tokens)
        rows = len(tokens)
        given = {"tokens": tokens, "suppressed": suppressed, "boosts": boosts}
        values = {name: ort_value(np.ascontiguousarray(value)) for name, value in given.items()}
        for name, value in values.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_ortvalue_output("attention", ort_value(self.attention[self._steps, :rows]))
        self._session.run_with_iobinding(self._binding)
        self._steps += 1
        return self._next[:rows, 0], self._logs[:rows, 0]

    def logits(self, tokens: npt.NDArray[np.int64]) -> FloatArray:
        """Float32 (batch, vocabulary) behind tokens (rows, steps); no token is chosen."""
        self._feed(tokens)
        vocabulary = next(item.shape[1] for item in self._session.get_outputs() if item.name == "logits")
        values = {"tokens": ort_value(tokens), "boosts": ort_value(NO_BOOSTS)}
        values["suppressed"] = ort_value(np.zeros((1, vocabulary), np.float32))
        for name, value in values.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_output("logits")
        self._session.run_with_iobinding(self._binding)
        logits: FloatArray = self._binding.get_outputs()[-1].numpy()
        return logits

    def _feed(self, tokens: npt.NDArray[np.int64]) -> None:
        if len(tokens) != self._rows:
            self._bind(len(tokens))
        self._length += tokens.shape[1]
        self._total[:] = self._length
        self._last[:] = self._length - 1

    def _bind(self, rows: int) -> None:
        """Bind the first rows of everything. Past and present keys are the same memory: the fused attention appends
        in place and copies nothing.
        """
        inputs: dict[str, npt.NDArray[Any]] = {
            "last_positions": self._last[:rows],
            "total_length": self._total,
            "frames": self._frames,
        }
        outputs: dict[str, npt.NDArray[Any]] = {
            "next_tokens": self._next[:rows],
            "log_probabilities": self._logs[:rows],
        }
        for layer in range(len(self._cache)):
            for index, part in enumerate(_PARTS):
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
