"""Word starts and ends in samples, from frames of the alignment and the loudness of the audio.

The alignment cuts time into words without gaps, so a pause falls to the word before or after it. Words are shrunk to
where there is sound: a frame is silent when it is much quieter than the loud frames of its window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_SILENCE_RATIO: Final = 0.05  # of the window's loud level (26 dB below it)
_LOUD_PERCENTILE: Final = 95


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Frames [first, end) that the alignment gives to a word; `end` > `first`."""

    first: int
    end: int


def times_of_words(
    window: npt.NDArray[np.int16], spans: Sequence[WordSpan], frame_samples: int
) -> list[tuple[int, int]]:
    """Start and end of each word in samples: 0 <= start <= end <= len(window), starts ascending, no overlap."""
    sounds = _sounding_frames(window, frame_samples)
    times: list[tuple[int, int]] = []
    earliest = 0
    for span in spans:
        first, end = _shrunk(sounds, span)
        start = min(max(first * frame_samples, earliest), len(window))
        stop = max(start, min(end * frame_samples, len(window)))
        times.append((start, stop))
        earliest = stop
    return times


def _sounding_frames(window: npt.NDArray[np.int16], frame_samples: int) -> npt.NDArray[np.bool_]:
    frames = -(-len(window) // frame_samples)
    padded = np.zeros(frames * frame_samples, np.float32)
    padded[: len(window)] = window
    blocks = padded.reshape(frames, frame_samples)
    levels = np.sqrt(np.mean(blocks * blocks, axis=1))
    loud = np.percentile(levels, _LOUD_PERCENTILE) if frames else 0.0
    sounding: npt.NDArray[np.bool_] = levels > loud * _SILENCE_RATIO
    return sounding


def _shrunk(sounds: npt.NDArray[np.bool_], span: WordSpan) -> tuple[int, int]:
    """The span without silence at its edges; as it is where all of it is silent."""
    inside = np.flatnonzero(sounds[span.first : span.end])
    if not len(inside):
        return span.first, span.end
    return span.first + int(inside[0]), span.first + int(inside[-1]) + 1
