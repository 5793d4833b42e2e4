"""How loud it is, and what is clearly silent: the cheap look (some 20 000 x real time) before Silero's.

The unit is a hop: 128 samples, 8 ms; four hops are one frame of Silero.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import Int16Audio

HOP_SAMPLES: Final = 128
Levels = npt.NDArray[np.float32]  # (hops,), dB relative to full scale
Mask = npt.NDArray[np.bool_]  # (hops,)

_DIGITAL_SILENCE_DB: Final = -90.0
_ALWAYS_SILENT_DB: Final = -72.0  # some 8 steps of 16 bit: nobody is understood below
_SMOOTH_HOPS: Final = 4  # 32 ms: the level of stationary noise then stays within 1 dB
_FLOOR_PERCENT: Final = 5  # quick talkers pause for no more of the time
_LOUD_PERCENT: Final = 95
# Above the floor by a share of the dynamic range: speech in noise rises little above it, and clean speech has
# breath and room between its pauses and its words.
_THRESHOLD_RATIO: Final = 0.15
_THRESHOLD_MIN_DB: Final = 3.0
_THRESHOLD_MAX_DB: Final = 6.0
# Nobody speaks without the level going up and down with the syllables. Over 3 s the levels of 0.2 s of the speech set
# differ by 2.0 dB at the least (noise as loud as the speech), those of voices held like an organ's note by 1.0 dB at
# the most.
_STEADY_DB: Final = 1.4
_STEADY_BLOCK_HOPS: Final = 12  # 0.1 s
_STEADY_BLOCKS: Final = 30


def hops(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ / HOP_SAMPLES)


def hop_levels(audio: Int16Audio) -> Levels:
    """Levels of whole hops; len(audio) is a multiple of HOP_SAMPLES. A constant offset and mains hum do not count."""
    samples = audio.reshape(-1, HOP_SAMPLES).astype(np.float32)
    mean = np.add.reduce(samples, axis=1) / HOP_SAMPLES
    power = np.einsum("ij,ij->i", samples, samples) / HOP_SAMPLES - mean * mean
    levels: Levels = 10.0 * np.log10(np.maximum(power, 0.1) / 32768.0**2)
    return levels


def smooth(levels: Levels) -> Levels:
    """The mean of each hop and its neighbours, same length."""
    if len(levels) < _SMOOTH_HOPS:
        return levels
    padded = np.pad(levels, (_SMOOTH_HOPS // 2, _SMOOTH_HOPS - _SMOOTH_HOPS // 2), mode="edge")
    summed = np.cumsum(padded, dtype=np.float64)
    return ((summed[_SMOOTH_HOPS:] - summed[:-_SMOOTH_HOPS]) / _SMOOTH_HOPS).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """`active` hops may hold speech, the others do not: they are quiet, or part of a steady sound.
    `contrast_db` is loud over quiet: how far levels tell.
    """

    active: Mask
    smoothed: Levels
    contrast_db: float


def gate(levels: Levels) -> Gate:
    """Judge a stretch of some ten seconds or more against its own quietest part."""
    smoothed = smooth(levels)
    sounding = smoothed[smoothed > _DIGITAL_SILENCE_DB]
    if not len(sounding):
        return Gate(np.zeros(len(levels), np.bool_), smoothed, 0.0)
    floor, loud = np.percentile(sounding, (_FLOOR_PERCENT, _LOUD_PERCENT))
    contrast = float(loud - floor)
    above = min(max(_THRESHOLD_RATIO * contrast, _THRESHOLD_MIN_DB), _THRESHOLD_MAX_DB)
    active = smoothed > max(floor + above, _ALWAYS_SILENT_DB)
    return Gate(active & ~steady(levels), smoothed, contrast)


def steady(levels: Levels) -> Mask:
    """Where the level stays the same for longer than anybody speaks so: a note, a hum, a held vowel, a fan."""
    mask = np.zeros(len(levels), np.bool_)
    blocks = 10.0 ** (levels[: len(levels) // _STEADY_BLOCK_HOPS * _STEADY_BLOCK_HOPS] / 10.0)
    powers = blocks.reshape(-1, _STEADY_BLOCK_HOPS).mean(axis=1)
    pairs = 10.0 * np.log10((powers[1:] + powers[:-1]) / 2)
    if len(pairs) < _STEADY_BLOCKS:
        return mask
    views = np.lib.stride_tricks.sliding_window_view(pairs, _STEADY_BLOCKS)
    for first in np.flatnonzero(views.max(axis=1) - views.min(axis=1) < _STEADY_DB):
        mask[first * _STEADY_BLOCK_HOPS : (first + _STEADY_BLOCKS + 1) * _STEADY_BLOCK_HOPS] = True
    return mask


def runs(mask: Mask) -> list[tuple[int, int]]:
    """The stretches [begin, end) where the mask is true."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def widen(mask: Mask, by_hops: int) -> Mask:
    """True also within `by_hops` of a true hop."""
    if not len(mask) or by_hops < 1:
        return mask
    reach = np.convolve(mask, np.ones(2 * by_hops + 1, np.int32))[by_hops : by_hops + len(mask)]
    wide: Mask = reach > 0
    return wide
