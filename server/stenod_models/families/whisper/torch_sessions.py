"""Whisper by torch on a GPU, in the precision of its weights; on a CPU in float32, which is for verification and tests.

Takes the place of sessions.py's classes. All that a step reads and writes lies at fixed places, for as many rows as a
batch can have; so a step is captured as one CUDA graph for each power of two of rows, and the host only puts tokens in
and takes tokens out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from stenod_models.decoding.beam import Candidates
from stenod_models.device import Device
from stenod_models.families.whisper.architecture import WEIGHTS, Architecture
from stenod_models.families.whisper.sessions import NO_BOOSTS
from stenod_models.families.whisper.torch_features import TorchLogMel
from stenod_models.families.whisper.torch_networks import DecoderNetwork, EncoderNetwork, Weights
from stenod_models.torch_device import torch_device

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_NONE_WANTED: Final = np.zeros((1, 0), np.int64)


@dataclass(frozen=True, slots=True)
class TorchEncodedBatch:
    """`keys_values` is (layers, 2, batch, heads, frames, head size)."""

    keys_values: torch.Tensor

    @property
    def rows(self) -> int:
        return int(self.keys_values.shape[2])

    def only(self, rows: Sequence[int]) -> "TorchEncodedBatch":
        if list(rows) == list(range(self.rows)):
            return self
        return TorchEncodedBatch(self.keys_values[:, :, list(rows)])


class TorchEncoder:
    def __init__(self, weights: Weights, arch: Architecture) -> None:
        self._network = EncoderNetwork(weights, arch)
        self._like = weights["encoder.conv1.weight"]

    @torch.inference_mode()
    def encode(self, features: Sequence[torch.Tensor]) -> TorchEncodedBatch:
        """`features` holds float32 (mels, frames) for each window."""
        batch = torch.stack([torch.as_tensor(window, device=self._like.device) for window in features])
        return TorchEncodedBatch(self._network(batch.to(self._like.dtype)))


class TorchDecoder:
    """Decodes greedily up to `rows` windows at a time in memory that never grows; a beam takes its own."""

    @torch.inference_mode()
    def __init__(self, weights: Weights, arch: Architecture, *, rows: int) -> None:
        self.network = DecoderNetwork(weights, arch)
        self.arch = arch
        self.like = weights["decoder.embed_tokens.weight"]
        self.rows = 1 << (rows - 1).bit_length()
        heads, size, layers = arch.decoder_heads, arch.head_size, arch.decoder_layers
        self.cross = self._zeros(layers, 2, self.rows, heads, arch.source_positions, size)
        self.cache = self._zeros(layers, 2, self.rows, heads, arch.target_positions, size)
        self.attention = self._zeros(
            arch.target_positions // 2, self.rows, len(arch.alignment_heads), 1, arch.source_positions
        )
        self.tokens, self.following = (self._zeros(self.rows, 1, dtype=torch.int64) for _ in range(2))
        self.place, self.step = (self._zeros(1, dtype=torch.int64) for _ in range(2))
        self.suppressed = self._zeros(1, arch.vocabulary, dtype=torch.float32)
        self.boosts = self._zeros(self.rows, arch.vocabulary, dtype=torch.float32)
        self.logs = self._zeros(self.rows, 1, dtype=torch.float32)
        self._captured: dict[int, torch.cuda.CUDAGraph] = {}
        if self.like.device.type == "cuda":
            self._capture()

    @torch.inference_mode()
    def start(
        self, encoded: TorchEncodedBatch, *, capacity: int, steps: int, frames: int, beam_size: int = 1
    ) -> "TorchRun":
        """As sessions.Decoder.start."""
        return TorchRun(self, encoded, capacity=capacity, steps=steps, frames=frames, beam_size=beam_size)

    @torch.inference_mode()
    def take_step(self, rows: int) -> None:
        """One token of each row from `tokens` to `following`; the rows are rounded up to a power of two."""
        rounded = 1 << (rows - 1).bit_length()
        if rounded in self._captured:
            self._captured[rounded].replay()
        else:
            self._step(rounded)

    def _step(self, rows: int) -> None:
        logits, seen = self.network(self.tokens[:rows], self.place, self.cross[:, :, :rows], self.cache[:, :, :rows])
        following, logs = chosen(logits + self.suppressed, self.boosts[:rows], 1)
        self.following[:rows].copy_(following)
        self.logs[:rows].copy_(logs)
        self.attention[:, :rows].index_copy_(0, self.step, seen[None].to(self.attention.dtype))

    def _capture(self) -> None:
        """The largest first, whose memory the others use again."""
        pool = torch.cuda.graph_pool_handle()
        rows = self.rows
        while rows:
            self._step(rows)  # to have libraries loaded and kernels chosen
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool):
                self._step(rows)
            self._captured[rows] = graph
            rows //= 2

    def _zeros(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.zeros(shape, device=self.like.device, dtype=dtype or self.like.dtype)


class TorchRun:
    """One batch in decoding; see sessions.DecoderRun."""

    def __init__(
        self,
        decoder: TorchDecoder,
        encoded: TorchEncodedBatch,
        *,
        capacity: int,
        steps: int,
        frames: int,
        beam_size: int,
    ) -> None:
        arch, rows = decoder.arch, encoded.rows
        self.beam_size = beam_size
        self._decoder = decoder
        self._frames = frames
        self._steps = 0
        self._length = 0
        self._told: FloatArray | None = None
        self._suppressed: FloatArray | None = None
        if beam_size == 1:
            decoder.cross[:, :, :rows].copy_(encoded.keys_values)
            self._cross, self._cache = decoder.cross, decoder.cache
            self._attention = decoder.attention
        else:
            cache_shape = (arch.decoder_layers, 2, rows * beam_size, arch.decoder_heads, capacity, arch.head_size)
            attention_shape = (steps, rows, len(arch.alignment_heads), beam_size, arch.source_positions)
            self._cross, self._cache = encoded.keys_values, decoder.like.new_zeros(cache_shape)
            self._attention = decoder.like.new_zeros(attention_shape)

    @property
    def attention(self) -> FloatArray:
        """Float32 (steps, rows, heads, beam, frames) of the steps that have been taken."""
        if self._told is None or len(self._told) < self._steps:
            self._told = self._attention[: self._steps, ..., : self._frames].float().cpu().numpy()
        return self._told

    @torch.inference_mode()
    def advance(
        self, tokens: IntArray, suppressed: FloatArray, boosts: FloatArray = NO_BOOSTS
    ) -> tuple[IntArray, FloatArray]:
        """As sessions.DecoderRun.advance."""
        decoder, rows = self._decoder, len(tokens)
        if suppressed is not self._suppressed:
            decoder.suppressed.copy_(torch.from_numpy(suppressed))
            self._suppressed = suppressed
        decoder.boosts[:rows].copy_(torch.from_numpy(np.ascontiguousarray(boosts)))
        if tokens.shape[1] > 1:
            candidates = self._run(tokens, suppressed, boosts, _NONE_WANTED, 1)
            return candidates.tokens[:, 0], candidates.log_probabilities[:, 0]
        decoder.tokens[:rows].copy_(torch.from_numpy(tokens))
        decoder.place.fill_(self._length)
        decoder.step.fill_(self._steps)
        decoder.take_step(rows)
        self._length += 1
        self._steps += 1
        return decoder.following[:rows, 0].cpu().numpy(), decoder.logs[:rows, 0].cpu().numpy()

    @torch.inference_mode()
    def extend(self, tokens: IntArray, parents: IntArray, suppressed: FloatArray, wanted: IntArray) -> Candidates:
        """As sessions.DecoderRun.extend."""
        moved = np.flatnonzero(parents != np.arange(len(parents)))
        if len(moved):
            self._cache[:, :, moved] = self._cache[:, :, parents[moved]]
        return self._run(tokens, suppressed, NO_BOOSTS, wanted, 2 * self.beam_size)

    @torch.inference_mode()
    def logits(self, tokens: IntArray) -> FloatArray:
        """As sessions.DecoderRun.logits."""
        logits, _seen = self._forward(tokens)
        told: FloatArray = logits.cpu().numpy()
        return told

    def _run(
        self, tokens: IntArray, suppressed: FloatArray, boosts: FloatArray, wanted: IntArray, count: int
    ) -> Candidates:
        logits, seen = self._forward(tokens)
        device = logits.device
        allowed = logits + torch.from_numpy(suppressed).to(device)
        following, logs = chosen(allowed, torch.from_numpy(np.ascontiguousarray(boosts)).to(device), count)
        asked = torch.from_numpy(np.ascontiguousarray(wanted)).to(device).expand(len(tokens), -1)
        asked_logs = allowed.gather(1, asked) - allowed.logsumexp(dim=1, keepdim=True)
        self._attention[self._steps, : len(seen)].copy_(seen)
        self._steps += 1
        return Candidates(following.cpu().numpy(), logs.cpu().numpy(), asked_logs.cpu().numpy())

    def _forward(self, tokens: IntArray) -> tuple[torch.Tensor, torch.Tensor]:
        slots = len(tokens)
        given = torch.from_numpy(tokens).to(self._cache.device)
        first = torch.tensor([self._length], device=given.device)
        cross = self._cross[:, :, : slots // self.beam_size]
        found: tuple[torch.Tensor, torch.Tensor] = self._decoder.network(given, first, cross, self._cache[:, :, :slots])
        self._length += tokens.shape[1]
        return found


def chosen(allowed: torch.Tensor, boosts: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest tokens with their boosts, and their log probabilities without."""
    following = (allowed + boosts).topk(count, dim=1).indices
    return following, allowed.gather(1, following) - allowed.logsumexp(dim=1, keepdim=True)


def load(
    artefacts: Path, arch: Architecture, *, device: Device, rows: int
) -> tuple[TorchLogMel, TorchEncoder, TorchDecoder]:
    """From an entry's version directory; `rows` is the largest batch. Raises UnavailableDeviceError."""
    place = torch_device(device)
    weights: dict[str, Any] = torch.load(artefacts / WEIGHTS, map_location=place, weights_only=True)
    if place.type == "cpu":
        weights = {name: value.float() for name, value in weights.items()}
    features = TorchLogMel(arch.mels, 2 * arch.source_positions, place)
    return features, TorchEncoder(weights, arch), TorchDecoder(weights, arch, rows=rows)
