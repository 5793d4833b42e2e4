"""16-bit PCM WAV in and out, and downsampling by a whole factor. Enough for the canary; no dependency but numpy."""

import wave
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ

Int16Audio = npt.NDArray[np.int16]

_ZERO_CROSSINGS: Final = 32  # of the low-pass on each side; the stop band starts just above the new Nyquist rate


def read_16khz(path: Path) -> Int16Audio:
    """Mono 16-bit WAV at 16 kHz or a whole multiple of it. Raises ValueError for anything else."""
    with wave.open(str(path)) as opened:
        factor, rest = divmod(opened.getframerate(), SAMPLE_RATE_HZ)
        if rest or opened.getnchannels() != 1 or opened.getsampwidth() != 2:
            raise ValueError(f"{path.name} is not mono 16-bit at a multiple of {SAMPLE_RATE_HZ} Hz")
        samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2")
    return samples if factor == 1 else decimated(samples, factor)


def decimated(samples: Int16Audio, factor: int) -> Int16Audio:
    """Every `factor`-th sample after a Hann-windowed sinc low-pass."""
    reach = _ZERO_CROSSINGS * factor
    offsets = np.arange(-reach, reach + 1)
    taps = np.sinc(offsets / factor) * np.hanning(len(offsets))
    smooth = np.convolve(samples.astype(np.float64), taps / taps.sum(), mode="same")
    clipped: Int16Audio = np.clip(np.rint(smooth[::factor]), -32768, 32767).astype(np.int16)
    return clipped


def write_16khz(path: Path, samples: Int16Audio) -> None:
    with wave.open(str(path), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(SAMPLE_RATE_HZ)
        opened.writeframes(samples.astype("<i2").tobytes())
