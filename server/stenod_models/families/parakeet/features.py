"""Log-mel features as NeMo's AudioToMelSpectrogramPreprocessor computes them, without dither.

Pre-emphasis, a Hann window of 25 ms every 10 ms, the power spectrum of 512 points, Slaney's mel bands (M. Slaney,
"Auditory Toolbox", Interval Research 1998-010, area-normalised), the logarithm, and mean and deviation of each band
over the window's own frames. A window is computed on its own, so that neither padding nor its batch-mates matter.

Up to the power spectrum in double precision: quiet bins beside loud ones lose their last digits in single precision,
and the logarithm shows it (transformers' float32 features lie up to 4e-4 from what they stand for, these within 3e-5).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.families.parakeet.architecture import HOP_SAMPLES, feature_frames

FloatArray = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

FFT_SAMPLES: Final = 512
WINDOW_SAMPLES: Final = 400
LOG_GUARD: Final = 2.0**-24
DEVIATION_GUARD: Final = 1e-5
FULL_SCALE: Final = 32768.0

# Slaney's scale: linear below 1 kHz, logarithmic above.
_LINEAR_HZ_PER_MEL: Final = 200 / 3
_BREAK_HZ: Final = 1000.0
_BREAK_MEL: Final = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP: Final = np.log(6.4) / 27


class FeatureExtractor:
    """Holds the window and the mel bands of one model."""

    def __init__(self, mel_bins: int, preemphasis: float) -> None:
        self._preemphasis = preemphasis
        self._window = np.hanning(WINDOW_SAMPLES)
        self._bands = mel_bands(mel_bins)

    def batch(self, windows: Sequence[npt.NDArray[np.int16]]) -> tuple[FloatArray, Int64Array]:
        """Features (windows, frames, bands) with zeros behind the shorter windows, and each one's count of frames.

        Every window has MIN_SAMPLES or more.
        """
        frames = np.array([feature_frames(len(window)) for window in windows], np.int64)
        features = np.zeros((len(windows), int(frames.max()), self._bands.shape[1]), np.float32)
        for row, window in enumerate(windows):
            features[row, : frames[row]] = self._normalised(self._log_mel(window))
        return features, frames

    def _log_mel(self, window: npt.NDArray[np.int16]) -> FloatArray:
        audio = window / FULL_SCALE
        half = WINDOW_SAMPLES // 2
        padded = np.zeros(len(audio) + 2 * half)
        padded[half : half + len(audio)] = audio
        padded[half + 1 : half + len(audio)] -= self._preemphasis * audio[:-1]
        starts = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
        spectrum = np.fft.rfft(starts[: feature_frames(len(audio))] * self._window, FFT_SAMPLES)
        power = spectrum.real**2 + spectrum.imag**2
        log_mel: FloatArray = np.log(power.astype(np.float32) @ self._bands + np.float32(LOG_GUARD))
        return log_mel

    @staticmethod
    def _normalised(features: FloatArray) -> FloatArray:
        deviation = features.std(axis=0, ddof=1)
        normalised: FloatArray = (features - features.mean(axis=0)) / (deviation + np.float32(DEVIATION_GUARD))
        return normalised


def mel_bands(count: int) -> FloatArray:
    """Weights (FFT bins, bands) of `count` bands up to half the sample rate."""
    top = _mel_of(SAMPLE_RATE_HZ / 2)
    edges = _hz_of(np.linspace(0.0, top, count + 2))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    widths = np.diff(edges)
    slopes = bins[:, None] - edges
    rising = slopes[:, :-2] / widths[:-1]
    falling = -slopes[:, 2:] / widths[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))
    bands: FloatArray = weights.astype(np.float32)
    return bands


def _mel_of(hz: float) -> float:
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP) if hz >= _BREAK_HZ else hz / _LINEAR_HZ_PER_MEL


def _hz_of(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel >= _BREAK_MEL, logarithmic, mel * _LINEAR_HZ_PER_MEL)
