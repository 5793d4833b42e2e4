"""Log-mel features, as `whisper/audio.py` of openai/whisper defines them, in numpy.

Frames of 400 samples every 160 (Hann window, reflected edges), power spectrum, triangular filters on Slaney's mel scale
("Auditory Toolbox", 1998), log10 limited to 8 below the window's maximum. The audio is padded with zeros to the whole
input; frames that see nothing but padding are not computed, for their value is known.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.families.whisper.architecture import HOP_SAMPLES

FloatArray = npt.NDArray[np.float32]

_FRAME_SAMPLES: Final = 400
_REACH: Final = _FRAME_SAMPLES // 2
FLOOR: Final = 1e-10
RANGE: Final = 8.0  # decades below the loudest bin
# Slaney's scale: linear up to 1 kHz, then 27 steps per factor of 6.4.
_LINEAR_HZ: Final = 200 / 3
_BREAK_HZ: Final = 1000.0
_LOG_STEP: Final = np.log(6.4) / 27


class LogMel:
    """Features of windows of at most `frames` frames."""

    def __init__(self, mels: int, frames: int) -> None:
        self._frames = frames
        self._filters = mel_filters(mels)
        self._taper = taper()

    def __call__(self, window: npt.NDArray[np.int16]) -> FloatArray:
        """Float32 (mels, frames) of int16 (samples,) at 16 kHz, at most frames * 160 samples."""
        total = self._frames * HOP_SAMPLES
        audio = np.zeros(total + 2 * _REACH, np.float32)
        audio[_REACH : _REACH + len(window)] = window / np.float32(32768)
        audio[:_REACH] = audio[2 * _REACH : _REACH : -1]
        audio[-_REACH:] = audio[-_REACH - 2 : -2 * _REACH - 2 : -1]
        heard = min(self._frames, (len(window) + _REACH) // HOP_SAMPLES + 1)
        pieces = np.lib.stride_tricks.sliding_window_view(audio, _FRAME_SAMPLES)[: heard * HOP_SAMPLES : HOP_SAMPLES]
        spectrum = np.fft.rfft(pieces * self._taper)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        logs = np.full((self._frames, len(self._filters)), np.log10(FLOOR), np.float32)
        logs[:heard] = np.log10(np.maximum(power @ self._filters.T, FLOOR))
        features: FloatArray = np.ascontiguousarray((np.maximum(logs, logs.max() - RANGE).T + 4) / 4)
        return features


def taper() -> FloatArray:
    """The periodic Hann window, float32 (400,)."""
    return np.hanning(_FRAME_SAMPLES + 1)[:-1].astype(np.float32)


def mel_filters(mels: int) -> FloatArray:
    """Float32 (mels, 201): triangles of equal area between points that are equidistant in mel, 0 to 8000 Hz."""
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, _REACH + 1)
    points = _hertz(np.linspace(0, _mel(SAMPLE_RATE_HZ / 2), mels + 2))
    widths = np.diff(points)
    slopes = points[:, None] - bins[None, :]
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters: FloatArray = (triangles * (2 / (points[2:] - points[:-2]))[:, None]).astype(np.float32)
    return filters


def _mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_HZ
    return float(_BREAK_HZ / _LINEAR_HZ + np.log(hertz / _BREAK_HZ) / _LOG_STEP)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    start = _BREAK_HZ / _LINEAR_HZ
    curved: npt.NDArray[np.float64] = np.where(
        mel < start, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, start) - start))
    )
    return curved
