"""The torch runtime: windows to emissions on a GPU, in the precision of the weights; on a CPU in float32, which is for
verification and tests.

Shapes come in few sizes (windows are padded to a length bucket, batches to a power of two), so that kernels are chosen
once and memory is used again. A batch that does not fit the GPU's memory is halved until it does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from stenod_models.batching import bucket_of
from stenod_models.device import CPU, Device
from stenod_models.families.parakeet.architecture import WEIGHTS, Architecture, encoded_frames, feature_frames
from stenod_models.families.parakeet.ctc import collapse
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.search import GREEDY, Search, search_ctc, search_transducer
from stenod_models.families.parakeet.torch_decoding import GreedyLoop
from stenod_models.families.parakeet.torch_encoder import TorchEncoder, TorchFeatures
from stenod_models.families.parakeet.torch_scores import TorchScores
from stenod_models.recogniser import Int16Audio
from stenod_models.torch_device import torch_device

FloatArray = npt.NDArray[np.float32]
Cancelled = Callable[[int], bool]


class TorchBackend:
    max_padding_ratio = (
        0.1  # the encoder computes what it is padded with; windows of one bucket go together all the same
    )

    def __init__(
        self, artefacts: Path, architecture: Architecture, *, buckets_samples: Sequence[int], device: Device = CPU
    ) -> None:
        """`buckets_samples` ascends; its last entry is the longest window. Raises UnavailableDeviceError."""
        self._arch = architecture
        self._buckets = buckets_samples
        self._device = torch_device(device)
        loaded = torch.load(artefacts / WEIGHTS, map_location=self._device, weights_only=True)
        if self._device.type == "cpu":
            loaded = {name: value.float() for name, value in loaded.items()}
        self._weights: dict[str, torch.Tensor] = loaded
        self._features = TorchFeatures(architecture, self._device)
        self._encoder = TorchEncoder(loaded, architecture)
        self._loops: dict[int, GreedyLoop] = {}

    @torch.inference_mode()
    def decode(
        self, windows: Sequence[Int16Audio], is_cancelled: Cancelled, search: Search = GREEDY
    ) -> list[Emissions | None]:
        try:
            return self._decode(windows, is_cancelled, search)
        except torch.cuda.OutOfMemoryError:
            if len(windows) == 1:
                raise
        # Outside the handler, whose traceback keeps the tensors of the failed batch alive.
        torch.cuda.empty_cache()
        half = len(windows) // 2
        return [
            *self.decode(windows[:half], is_cancelled, search),
            *self.decode(windows[half:], lambda row: is_cancelled(half + row), search),
        ]

    @torch.inference_mode()
    def encode(self, windows: Sequence[Int16Audio]) -> list[FloatArray]:
        """Of each window its own frames: what the joint network adds to; of a CTC model each frame's probability."""
        encoded = self._encoded(windows).float()
        if self._arch.kind == "ctc":
            encoded = encoded.softmax(dim=-1).amax(dim=-1)
        rows = zip(encoded.cpu().numpy(), windows, strict=False)
        return [row[: encoded_frames(feature_frames(len(window)))] for row, window in rows]

    def _decode(self, windows: Sequence[Int16Audio], is_cancelled: Cancelled, search: Search) -> list[Emissions | None]:
        encoded = self._encoded(windows)
        lengths = [encoded_frames(feature_frames(len(window))) for window in windows]
        if self._arch.kind == "ctc":
            return self._collapsed(encoded, lengths, is_cancelled, search)
        if search.needs_scores:
            scoring = TorchScores(self._weights, self._arch, encoded[: len(windows)], width=search.beam_size)
            return search_transducer(scoring, lengths, self._arch, search, is_cancelled)
        counted = torch.tensor(lengths, device=self._device)
        return self._loop_of(len(encoded)).decode(encoded[: len(windows)], counted, is_cancelled)

    def _loop_of(self, rows: int) -> GreedyLoop:
        """The smallest that takes so many: once a full batch has been warmed, none is captured any more."""
        found = min((size for size in self._loops if size >= rows), default=0)
        if not found:
            longest = encoded_frames(feature_frames(self._buckets[-1]))
            self._loops[rows] = GreedyLoop(self._weights, self._arch, rows=rows, frames=longest)
        return self._loops[found or rows]

    def _encoded(self, windows: Sequence[Int16Audio]) -> torch.Tensor:
        """With rows of silence up to the next power of two."""
        rows = 1 << (len(windows) - 1).bit_length()
        audio = np.zeros((rows, bucket_of(max(map(len, windows)), self._buckets)), np.int16)
        samples = np.zeros(rows, np.int64)
        for row, window in enumerate(windows):
            audio[row, : len(window)] = window
            samples[row] = len(window)
        on_device = torch.from_numpy(audio).to(self._device), torch.from_numpy(samples).to(self._device)
        return self._encoder(*self._features(*on_device))

    def _collapsed(
        self, logits: torch.Tensor, lengths: Sequence[int], is_cancelled: Cancelled, search: Search
    ) -> list[Emissions | None]:
        blank = self._arch.blank
        if search.needs_scores:
            scores = logits.float().cpu().numpy()
            return [
                None if is_cancelled(row) else search_ctc(scores[row, :length], blank, search)
                for row, length in enumerate(lengths)
            ]
        best, tokens = logits.float().max(dim=-1)
        chosen = tokens.cpu().numpy()
        likely = (best - logits.float().logsumexp(dim=-1)).exp().cpu().numpy()
        return [
            None if is_cancelled(row) else collapse(chosen[row, :length], likely[row, :length], blank)
            for row, length in enumerate(lengths)
        ]
