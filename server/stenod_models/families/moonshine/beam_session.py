"""The ONNX Runtime session of Moonshine's beam graph: several hypotheses of each window in one cache."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.decoding.beam import BeamHypothesis, Candidates, IntArray
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.scratch import FloatArray, Scratch
from stenod_models.families.moonshine.sessions import PARTS, EncodedBatch
from stenod_models.onnx_sessions import open_session, ort_value


class BeamDecoder:
    """The step graph; `start` binds it to one batch."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        self._attention_heads = int(shapes["attention"][1])
        self._scratch = Scratch()

    def start(self, encoded: EncodedBatch, capacity: int, beam_size: int) -> "BeamRun":
        """Begin a batch of which no row takes more than `capacity` steps; ends the one before."""
        batch, _one, _one_too, frames = encoded.bias.shape
        slots = batch * beam_size
        cache_shape = (arch.LAYERS, len(PARTS), slots, arch.HEADS, capacity, arch.CACHED_HEAD_SIZE)
        attention_shape = (capacity, batch, self._attention_heads, beam_size, frames)
        cache = self._scratch.take("cache", cache_shape)
        return BeamRun(self._session, encoded, cache, self._scratch.take("attention", attention_shape))


class BeamRun:
    """One batch in decoding; a decoding.beam.BeamStep."""

    def __init__(
        self, session: onnxruntime.InferenceSession, encoded: EncodedBatch, cache: FloatArray, attention: FloatArray
    ) -> None:
        slots = cache.shape[2]
        self._session = session
        self._encoded = encoded
        self._cache = cache
        self._attention = attention  # (capacity, batch, heads, beam, frames), filled step by step
        self._beam_size = attention.shape[3]
        self._tokens = np.zeros((slots, 1), np.int64)
        self._past = np.zeros(slots, np.int32)
        self._total = np.ones(1, np.int32)
        self._count = np.array([2 * self._beam_size], np.int64)
        self._best_tokens = np.zeros((slots, 2 * self._beam_size), np.int64)
        self._best_scores = np.zeros((slots, 2 * self._beam_size), np.float32)
        self._slots = 0

    def __call__(self, tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        slots = len(tokens)
        self._move(parents)
        if slots != self._slots:
            self._bind(slots)
        self._tokens[:slots, 0] = tokens
        wanted_scores = np.empty(wanted.shape, np.float32)
        place = self._attention[self._past[0], : slots // self._beam_size]
        # Held until the step is over: a binding does not keep its values alive.
        varying = [ort_value(array) for array in (np.ascontiguousarray(wanted), wanted_scores, place)]
        self._binding.bind_ortvalue_input("wanted", varying[0])
        self._binding.bind_ortvalue_output("wanted_scores", varying[1])
        self._binding.bind_ortvalue_output("attention", varying[2])
        self._session.run_with_iobinding(self._binding)
        self._past += 1
        self._total += 1
        return Candidates(self._best_tokens[:slots], self._best_scores[:slots], wanted_scores)

    def attention_of(self, row: int, hypothesis: BeamHypothesis) -> FloatArray:
        """The attention that each token of the row was predicted with: float32 (tokens, heads, frames)."""
        steps = np.arange(len(hypothesis.slots))
        places = np.array(hypothesis.slots, np.int64) - row * self._beam_size
        attention: FloatArray = self._attention[steps, row, :, places]
        return attention

    def _move(self, parents: IntArray) -> None:
        """Have each hypothesis continue its parent's cache; most stay where they are."""
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        if len(moved):
            past = self._past[0]
            self._cache[:, :, moved, :, :past] = self._cache[:, :, parents[moved], :, :past]

    def _bind(self, slots: int) -> None:
        """Bind the first slots of everything; past and present keys are the same memory, as in sessions.DecoderRun."""
        rows = slots // self._beam_size
        inputs: dict[str, npt.NDArray[Any]] = {
            "tokens": self._tokens[:slots],
            "past_lengths": self._past[:slots],
            "total_length": self._total,
            "count": self._count,
            "cross_bias": self._encoded.bias[:rows],
        }
        outputs: dict[str, npt.NDArray[Any]] = {
            "best_tokens": self._best_tokens[:slots],
            "best_scores": self._best_scores[:slots],
        }
        for layer in range(arch.LAYERS):
            for index, part in enumerate(PARTS):
                inputs[f"cross_{part}_{layer}"] = self._encoded.keys_values[layer, index, :rows]
                inputs[f"past_{part}_{layer}"] = self._cache[layer, index, :slots]
                outputs[f"present_{part}_{layer}"] = self._cache[layer, index, :slots]
        self._slots = slots
        self._binding = self._session.io_binding()
        self._bound = {name: ort_value(array) for name, array in (inputs | outputs).items()}
        for name in inputs:
            self._binding.bind_ortvalue_input(name, self._bound[name])
        for name in outputs:
            self._binding.bind_ortvalue_output(name, self._bound[name])
