"""The two ONNX Runtime sessions of Whisper, with the memory that both graphs write in place. On a GPU it is the GPU's:
the cross-attention never moves, nor does the cache of keys and values but where a beam has a hypothesis change place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.decoding.beam import Candidates
from stenod_models.device import CPU, Device
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.onnx_memory import Binding, Block, Blocks, element_type_of

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_PARTS: Final = ("key", "value")
SUPPRESSED: Final = np.float32(-1e9)  # exp() of it is exactly 0, and unlike -inf it survives subtraction
NO_BOOSTS: Final = np.zeros((1, 1), np.float32)


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What the encoder graph gave of some windows, by name, each block (batch, ...): the cross-attention's keys and
    values (see cross_attention.publish). It lives in the encoder's own memory until its next batch.
    """

    cross: Mapping[str, Block]

    @property
    def rows(self) -> int:
        return next(iter(self.cross.values())).shape[0]

    def only(self, rows: Sequence[int]) -> "EncodedBatch":
        """These rows alone; copied unless they are all."""
        if list(rows) == list(range(self.rows)):
            return self
        return EncodedBatch({name: block.taken(rows, axis=0) for name, block in self.cross.items()})


class Encoder:
    """On a GPU windows are encoded together, on a CPU one by one: there a batch gains nothing."""

    def __init__(self, session: onnxruntime.InferenceSession, device: Device = CPU) -> None:
        self._session = session
        self._device = device
        self._shapes = {output.name: output.shape[1:] for output in session.get_outputs()}
        self._blocks = {name: Blocks(element_type_of(session, name), device) for name in self._shapes}

    def twin(self) -> "Encoder":
        """The same graph with memory of its own, for another thread."""
        return Encoder(self._session, self._device)

    def encode(self, features: Sequence[FloatArray]) -> EncodedBatch:
        """`features` holds float32 (mels, frames) for each window."""
        count = len(features)
        cross = {name: self._blocks[name].take(name, (count, *shape)) for name, shape in self._shapes.items()}
        together = 1 if self._device.kind == "cpu" else count
        for first in range(0, count, together):
            rows = slice(first, first + together)
            binding = Binding(self._session, self._device)
            binding.give("features", np.stack(features[rows]))
            for name, block in cross.items():
                binding.take(name, block[rows])
            binding.run()
        return EncodedBatch(cross)


class Decoder:
    """The decoder graph; `start` binds it to one batch."""

    def __init__(self, session: onnxruntime.InferenceSession, arch: Architecture, device: Device = CPU) -> None:
        self._session = session
        self._arch = arch
        self._device = device
        self._blocks = Blocks(element_type_of(session, "past_key_0"), device)
        self._attention = Blocks(np.float32)  # of the host: it is read there

    def twin(self) -> "Decoder":
        """As Encoder.twin."""
        return Decoder(self._session, self._arch, self._device)

    def start(
        self, encoded: EncodedBatch, *, capacity: int, steps: int, frames: int, beam_size: int = 1
    ) -> "DecoderRun":
        """Begin a batch of at most `capacity` tokens a hypothesis, prompt included, of which `steps` are decoded; ends
        the one before. `frames` of the attention are kept.
        """
        arch, slots = self._arch, encoded.rows * beam_size
        cache_shape = (arch.decoder_layers, 2, slots, arch.decoder_heads, capacity, arch.head_size)
        attention_shape = (steps, encoded.rows, len(arch.alignment_heads), beam_size, frames)
        cache = self._blocks.take("cache", cache_shape)
        attention = self._attention.take("attention", attention_shape).numpy()
        return DecoderRun(self._session, encoded, cache, attention)


class DecoderRun:
    """One batch in decoding. `attention` is float32 (steps, rows, heads, beam, frames), filled step by step.

    Row r has slots [r * beam, (r + 1) * beam); a greedy search has one slot a row.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, encoded: EncodedBatch, cache: Block, attention: FloatArray
    ) -> None:
        self._session = session
        self._encoded = encoded
        self._cache = cache
        self.attention = attention
        self.beam_size = attention.shape[3]
        slots, count = cache.shape[2], 1 if self.beam_size == 1 else 2 * self.beam_size
        self._steps = 0
        self._length = 0
        self._total = np.zeros(1, np.int32)
        self._last = np.zeros(slots, np.int32)
        self._frames = np.array([attention.shape[-1]], np.int64)
        self._next = np.zeros((slots, count), np.int64)
        self._logs = np.zeros((slots, count), np.float32)
        self._none_wanted = np.zeros((slots, 1), np.int64)
        self._binding = Binding(session, cache.device)
        self._slots = 0

    def advance(
        self, tokens: IntArray, suppressed: FloatArray, boosts: FloatArray = NO_BOOSTS
    ) -> tuple[IntArray, FloatArray]:
        """Take tokens (rows, steps) in, give the next token of each row and its log probability, (rows,) each.

        The first call takes the prompt, each later one a token per row. `rows` never grows. Memory is reused.
        """
        rows = len(tokens)
        self._step(tokens, suppressed, boosts, self._none_wanted[:rows])
        return self._next[:rows, 0], self._logs[:rows, 0]

    def extend(self, tokens: IntArray, parents: IntArray, suppressed: FloatArray, wanted: IntArray) -> Candidates:
        """As `advance`, of a beam: tokens (slots, steps) in, the likeliest next ones of each slot out.

        See decoding.beam.BeamStep for `parents` and `wanted`.
        """
        self._move(parents)
        slots = len(tokens)
        asked = wanted if wanted.shape[1] else self._none_wanted[:slots]
        wanted_logs = self._step(tokens, suppressed, NO_BOOSTS, asked)
        return Candidates(self._next[:slots], self._logs[:slots], wanted_logs[:, : wanted.shape[1]])

    def logits(self, tokens: IntArray) -> FloatArray:
        """Float32 (batch, vocabulary) behind tokens (rows, steps); no token is chosen."""
        vocabulary = next(item.shape[1] for item in self._session.get_outputs() if item.name == "logits")
        allowed = np.zeros((1, vocabulary), np.float32)
        none = self._none_wanted[: len(tokens)]
        self._feed({"tokens": tokens, "suppressed": allowed, "boosts": NO_BOOSTS, "wanted": none})
        logits = np.empty((len(tokens), vocabulary), np.float32)
        self._binding.take("logits", logits)
        self._binding.run()
        return logits

    def _step(self, tokens: IntArray, suppressed: FloatArray, boosts: FloatArray, wanted: IntArray) -> FloatArray:
        """Gives the log probabilities of the wanted tokens."""
        self._feed({"tokens": tokens, "suppressed": suppressed, "boosts": boosts, "wanted": wanted})
        wanted_logs = np.empty(wanted.shape, np.float32)
        self._binding.take("wanted_log_probabilities", wanted_logs)
        self._binding.take("attention", self.attention[self._steps, : len(tokens) // self.beam_size])
        self._binding.run()
        self._steps += 1
        return wanted_logs

    def _move(self, parents: IntArray) -> None:
        """Have each hypothesis continue its parent's cache; most stay where they are."""
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        if not len(moved):
            return
        if self._cache.device.kind == "cpu":
            cache = self._cache.numpy()
            cache[:, :, moved, :, : self._length] = cache[:, :, parents[moved], :, : self._length]
        else:
            self._cache = self._cache.taken(parents.tolist(), axis=2)
            self._slots = 0  # to be bound anew

    def _feed(self, given: Mapping[str, npt.NDArray[Any]]) -> None:
        tokens = given["tokens"]
        if len(tokens) != self._slots:
            self._bind(len(tokens))
        self._length += tokens.shape[1]
        self._total[:] = self._length
        self._last[:] = self._length - 1
        for name, array in given.items():
            self._binding.give(name, np.ascontiguousarray(array))

    def _bind(self, slots: int) -> None:
        """Bind the first slots of everything. Past and present keys are the same memory: the fused attention appends
        in place and copies nothing.
        """
        rows = slots // self.beam_size
        self._slots = slots
        self._binding = binding = Binding(self._session, self._cache.device)
        binding.give("last_positions", self._last[:slots])
        binding.give("total_length", self._total)
        binding.give("frames", self._frames)
        binding.give("count", np.array([self._next.shape[1]], np.int64))
        binding.take("next_tokens", self._next[:slots])
        binding.take("log_probabilities", self._logs[:slots])
        for name, block in self._encoded.cross.items():
            binding.give(name, block[:rows])
        for layer in range(self._cache.shape[0]):
            for index, part in enumerate(_PARTS):
                binding.give(f"past_{part}_{layer}", self._cache[layer, index, :slots])
                binding.take(f"present_{part}_{layer}", self._cache[layer, index, :slots])
