"""Log-mel features as Kaldi's fbank computes them (D. Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011),
without dither: 25 ms every 10 ms, each frame free of its mean and pre-emphasised by itself, Povey's window, the power
spectrum of 512 points, 80 bands from 20 Hz on that are triangles in mel, the logarithm.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.families.voices.architecture import HOP_SAMPLES, MEL_BINS

FloatArray = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

FRAME_SAMPLES: Final = 400
_FFT_SAMPLES: Final = 512
_PREEMPHASIS: Final = 0.97
_LOWEST_HZ: Final = 20.0
_FLOOR: Final = float(np.finfo(np.float32).eps)
_FULL_SCALE: Final = 32768.0


def feature_frames(samples: int) -> int:
    """Whole frames alone, as Kaldi snips them."""
    return max(0, (samples - FRAME_SAMPLES) // HOP_SAMPLES + 1)


def log_mel(audio: npt.NDArray[np.int16], frames: Int64Array) -> FloatArray:
    """Features (frames, MEL_BINS) of the frames with these numbers; each is computed by itself, whatever the others."""
    every = np.lib.stride_tricks.sliding_window_view(audio, FRAME_SAMPLES)[::HOP_SAMPLES]
    framed = every[frames] / _FULL_SCALE
    framed -= framed.mean(axis=1, keepdims=True)
    framed[:, 1:] -= _PREEMPHASIS * framed[:, :-1]
    framed[:, 0] *= 1 - _PREEMPHASIS
    spectrum = np.fft.rfft(framed * _WINDOW, _FFT_SAMPLES)
    power = spectrum.real**2 + spectrum.imag**2
    # In double: in which order a product is summed up depends on how many rows it has, and must not be seen.
    features: FloatArray = np.log(np.maximum(power @ _BANDS, _FLOOR)).astype(np.float32)
    return features


def _mel_of(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mel: npt.NDArray[np.float64] = 1127.0 * np.log1p(hz / 700.0)
    return mel


def _mel_bands() -> npt.NDArray[np.float64]:
    """Weights (FFT bins, MEL_BINS)."""
    low, high = _mel_of(np.array([_LOWEST_HZ, SAMPLE_RATE_HZ / 2]))
    edges = np.linspace(low, high, MEL_BINS + 2)
    bins = _mel_of(np.linspace(0.0, SAMPLE_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1))[:, None]
    step = edges[1] - edges[0]
    bands: npt.NDArray[np.float64] = np.maximum(0.0, 1 - np.abs(bins - edges[1:-1]) / step)
    return bands


_WINDOW: Final = np.hanning(FRAME_SAMPLES) ** 0.85
_BANDS: Final = _mel_bands()
