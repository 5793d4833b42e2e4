"""Log-mel features on a device: the same arithmetic as features.py, in float32."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from stenod_models.families.whisper import features as reference
from stenod_models.families.whisper.architecture import HOP_SAMPLES


class TorchLogMel:
    """Features of windows of at most `frames` frames."""

    def __init__(self, mels: int, frames: int, device: torch.device) -> None:
        self._frames = frames
        self._device = device
        self._filters = torch.from_numpy(reference.mel_filters(mels).T.copy()).to(device)
        self._taper = torch.from_numpy(reference.taper()).to(device)

    @torch.inference_mode()
    def __call__(self, window: npt.NDArray[np.int16]) -> torch.Tensor:
        """Float32 (mels, frames), on the device, of int16 (samples,) at 16 kHz, at most frames * 160 samples."""
        samples = torch.from_numpy(window).to(self._device).float() / 32768
        audio = functional.pad(samples, (0, self._frames * HOP_SAMPLES - len(window)))
        size = len(self._taper)
        reflected = functional.pad(audio[None], (size // 2, size // 2), mode="reflect")[0]
        pieces = reflected.unfold(0, size, HOP_SAMPLES)[: self._frames]
        power = torch.view_as_real(torch.fft.rfft(pieces * self._taper)).square().sum(-1)
        logs = (power @ self._filters).clamp(min=reference.FLOOR).log10()
        features: torch.Tensor = (logs.clamp(min=logs.max() - reference.RANGE).T + 4) / 4
        return features
