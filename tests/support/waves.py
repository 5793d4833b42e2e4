"""Seeded synthetic audio, and a speech model that goes by loudness: for tests of the front end without recordings."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stenod_server.audio.vad import FRAME_SAMPLES, Probabilities
from stenod_server.domain.audio import SAMPLE_RATE_HZ

Int16Audio = npt.NDArray[np.int16]


def silence(seconds: float) -> Int16Audio:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.int16)


def noise(seconds: float, *, level_db: float = -60.0, seed: int = 1) -> Int16Audio:
    """White noise at a level relative to full scale."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 32768.0 * 10 ** (level_db / 20), round(seconds * SAMPLE_RATE_HZ))
    return _int16(samples)


def tone(seconds: float, *, frequency_hz: float = 440.0, level_db: float = -20.0) -> Int16Audio:
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    peak = 32768.0 * 10 ** (level_db / 20)
    return _int16(peak * np.sin(2 * np.pi * frequency_hz * at_s))


def talk(seconds: float, *, level_db: float = -20.0, seed: int = 1) -> Int16Audio:
    """Noise that swells and falls four times a second, as syllables do; no pause in it."""
    base = noise(seconds, level_db=level_db, seed=seed).astype(np.float64)
    at_s = np.arange(len(base)) / SAMPLE_RATE_HZ
    return _int16(base * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at_s)))


def _int16(samples: npt.NDArray[np.float64]) -> Int16Audio:
    audio: Int16Audio = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return audio


def joined(*parts: Int16Audio) -> Int16Audio:
    return np.concatenate(parts)


def write_wav(path: Path, audio: Int16Audio, *, rate_hz: int = SAMPLE_RATE_HZ) -> Path:
    """Int16 (samples,) or (channels, samples)."""
    channels = 1 if audio.ndim == 1 else len(audio)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.ascontiguousarray(audio.T).tobytes())
    return path


class LoudIsSpeech:
    """A `SpeechModel`: certain of every frame above a level. `frames` counts what it was asked for."""

    def __init__(self, *, level_db: float = -40.0) -> None:
        self._least_power = (32768.0 * 10 ** (level_db / 20)) ** 2
        self.frames = 0

    def probabilities(self, audio: Int16Audio) -> Probabilities:
        count = len(audio) // FRAME_SAMPLES
        self.frames += count
        samples = audio[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES).astype(np.float64)
        return (
            (np.mean(samples**2, axis=1) > self._least_power).astype(np.float32) if count else np.zeros(0, np.float32)
        )


class NeverSpeech:
    """A `SpeechModel` that hears none: music, machines."""

    def probabilities(self, audio: Int16Audio) -> Probabilities:
        return np.zeros(len(audio) // FRAME_SAMPLES, np.float32)
