"""Sounds in which nobody says a word: noise, hum, music, a held vowel. Seeded; float (samples,) at 16 kHz, peak 1."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]
Int16Audio = npt.NDArray[np.int16]

HZ: Final = 16_000
# Resonances of a vocal tract, in Hz (Peterson and Barney, "Control Methods Used in a Study of the Vowels", 1952).
FORMANTS_HZ: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480)}
)
_WIDTHS_HZ: Final = np.array([[60.0], [90.0], [120.0]])
_HELD: Final = HZ * 60 // 1000
_LAGS: Final = range(HZ // 260, HZ // 80)  # of the pitch of voices
_TUNE: Final = (0, 4, 7, 12, 9, 7, 5, 4)  # semitones


def silence(seconds: float, _seed: int) -> Sound:
    return np.zeros(round(seconds * HZ))


def white_noise(seconds: float, seed: int) -> Sound:
    return _peaked(np.random.default_rng(seed).normal(size=round(seconds * HZ)))


def pink_noise(seconds: float, seed: int) -> Sound:
    """Power falls with the frequency: a fan, rain, a street."""
    spectrum = np.fft.rfft(white_noise(seconds, seed))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return _peaked(np.fft.irfft(spectrum, round(seconds * HZ)))


def hum(seconds: float, seed: int) -> Sound:
    """Of the mains, with its harmonics and a little noise."""
    at_s = np.arange(round(seconds * HZ)) / HZ
    tones = sum(np.sin(2 * np.pi * 50 * number * at_s) / number for number in range(1, 12))
    return _peaked(tones + 0.05 * white_noise(seconds, seed))


def chords(seconds: float, seed: int) -> Sound:
    """Plucked: four notes at once, each with harmonics that die away, another chord every half a second."""
    random = np.random.default_rng(seed)
    sound = silence(seconds, seed)
    for start in range(0, len(sound), HZ // 2):
        root_hz = 110 * 2 ** (int(random.integers(12)) / 12)
        for semitones in (0, 4, 7, 12):
            _add(sound, start, _note(root_hz * 2 ** (semitones / 12), 2.0))
    return _peaked(sound)


def melody(seconds: float, seed: int) -> Sound:
    """One voice like a flute's, with vibrato, from note to note."""
    sound = silence(seconds, seed)
    at_s = np.arange(HZ // 3) / HZ
    swell = np.minimum(1.0, np.minimum(at_s, at_s[::-1]) / 0.03)
    for index, start in enumerate(range(0, len(sound), HZ // 3)):
        hertz = 440 * 2 ** (_TUNE[(index + seed) % len(_TUNE)] / 12)
        phase = 2 * np.pi * hertz * (at_s + 0.0006 * np.sin(2 * np.pi * 5.5 * at_s))
        _add(sound, start, swell * (np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)))
    return _peaked(sound)


def drums(seconds: float, seed: int) -> Sound:
    """Four beats: bass drum, hi-hat, snare, hi-hat."""
    random = np.random.default_rng(seed)
    sound = silence(seconds, seed)
    at_s = np.arange(HZ // 4) / HZ
    for beat, start in enumerate(range(0, len(sound), HZ // 4)):
        noise = random.normal(size=len(at_s))
        bass = np.sin(2 * np.pi * 60 * at_s) * np.exp(-12 * at_s)
        hat = 0.2 * np.diff(noise, prepend=0.0) * np.exp(-60 * at_s)
        snare = 0.5 * noise * np.exp(-20 * at_s)
        _add(sound, start, (bass, hat, snare, hat)[beat % 4])
    return _peaked(sound)


def held_vowel(seconds: float, seed: int) -> Sound:
    """Source and filter: a voice at 100 to 240 Hz with a little vibrato, under the resonances of one vowel."""
    random = np.random.default_rng(seed)
    vowel = list(FORMANTS_HZ)[seed % len(FORMANTS_HZ)]
    pitch_hz = float(random.uniform(100, 240))
    at_s = np.arange(round(seconds * HZ)) / HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.01 * np.sin(2 * np.pi * 5 * at_s))) / HZ
    numbers = np.arange(1, int(7000 / pitch_hz))
    formants_hz = np.array(FORMANTS_HZ[vowel])[:, None]
    gains = np.array([[1.0], [0.5], [0.25]]) / (1 + ((numbers * pitch_hz - formants_hz) / _WIDTHS_HZ) ** 2)
    sound = np.zeros(len(at_s))
    for number, gain in zip(numbers, gains.sum(axis=0) + 0.01, strict=True):
        sound += gain * np.sin(number * phase)
    return _peaked(sound)


SOUNDS: Final[Mapping[str, Callable[[float, int], Sound]]] = MappingProxyType(
    {
        "digital silence": silence,
        "white noise": white_noise,
        "pink noise": pink_noise,
        "hum": hum,
        "chords": chords,
        "melody": melody,
        "drums": drums,
        "held vowel": held_vowel,
    }
)


def held_voice(speech: Int16Audio, seconds: float) -> Sound:
    """The steadiest 60 ms of somebody's voice, held: a whole number of pitch periods, over and over, faded together."""
    at, lag = _steadiest(speech.astype(np.float64))
    step = max(1, _HELD // lag) * lag
    fade = np.linspace(0.0, 1.0, lag)
    piece = speech[at : at + step + lag] * np.concatenate([fade, np.ones(step - lag), fade[::-1]])
    sound = silence(seconds, 0)
    for start in range(0, len(sound), step):
        _add(sound, start, piece)
    return _peaked(sound)


def _steadiest(speech: Sound) -> tuple[int, int]:
    """(where, pitch period), in samples: the loud place that is most like itself one period later."""
    loud, best = 0.15 * np.abs(speech).max(), (-1.0, 0, _LAGS[0])
    for at in range(0, len(speech) - 2 * _HELD - _LAGS[-1], _HELD // 6):
        here = speech[at : at + _HELD]
        if np.sqrt(np.mean(here**2)) < loud:
            continue
        later = np.lib.stride_tricks.sliding_window_view(speech[at + _LAGS[0] : at + _LAGS[-1] + _HELD], _HELD)
        likeness = later @ here / np.sqrt((later**2).sum(axis=1) * (here @ here) + 1e-9)
        best = max(best, (float(likeness.max()), at, _LAGS[int(likeness.argmax())]))
    return best[1], best[2]


def at_level(sound: Sound, peak_db: float) -> Int16Audio:
    """`peak_db` is relative to full scale."""
    audio: Int16Audio = np.rint(sound * 32767 * 10 ** (peak_db / 20)).astype(np.int16)
    return audio


def _note(hertz: float, seconds: float) -> Sound:
    at_s = np.arange(round(seconds * HZ)) / HZ
    note: Sound = np.exp(-3 * at_s) * sum(np.sin(2 * np.pi * hertz * n * at_s) / n**1.5 for n in range(1, 8))
    return note


def _add(sound: Sound, start: int, part: Sound) -> None:
    part = part[: len(sound) - start]
    sound[start : start + len(part)] += part


def _peaked(sound: Sound) -> Sound:
    peaked: Sound = sound / max(float(np.abs(sound).max()), 1e-9)
    return peaked
