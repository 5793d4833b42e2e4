"""From the classes of the chunks of a window to who is heard when in it. Pure.

A window's frames lie FRAME_SAMPLES apart, and so do the starts of its chunks: a frame of a chunk is one of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.families.voices import architecture as arch

BoolArray = npt.NDArray[np.bool_]

# A voice is embedded by stretches of about so much of its speech, each a voice of its own: where similar voices take
# turns within a chunk, the network now and then hears one, and nothing but embeddings tells them apart then.
_STRETCH_FRAMES: Final = 118  # 2 s

_IS_ACTIVE: Final = np.array([[voice in heard for voice in range(arch.CHUNK_VOICES)] for heard in arch.POWERSET])


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of the window, the end excluded."""

    start: int
    end: int


def frames_of(samples: int) -> int:
    """Frames whose middle lies within so many samples, and one at least."""
    return max(1, (samples - arch.FIRST_CENTRE_SAMPLES - 1) // arch.FRAME_SAMPLES + 1)


def chunk_starts(samples: int) -> list[int]:
    """The frames at which the chunks of a window start: as few as cover it, spread evenly, the last ending with it."""
    spare = -(-max(0, samples - arch.CHUNK_SAMPLES) // arch.FRAME_SAMPLES)  # frames behind the first chunk
    count = max(1, -(-samples // arch.CHUNK_SAMPLES))
    return [spare * place // max(1, count - 1) for place in range(count)]


def window_activity(classes: Sequence[npt.NDArray[np.float32]], starts: Sequence[int], frames: int) -> BoolArray:
    """Whether each voice of a window is heard in each of its frames: (frames, voices). Those of two chunks are not one.

    `classes` holds (CHUNK_FRAMES, powerset) of each chunk. In what two chunks share, each tells of the half that lies
    further inside it; what lies between two, or behind the last one, is as the frame next to it.
    """
    middles = [(start + arch.CHUNK_FRAMES + after) // 2 for start, after in pairwise(starts)]
    parts = []
    for scores, start, (first, last) in zip(classes, starts, pairwise([0, *middles, frames]), strict=True):
        part = np.zeros((frames, arch.CHUNK_VOICES), np.bool_)
        told = np.clip(np.arange(first, last) - start, 0, arch.CHUNK_FRAMES - 1)
        part[first:last] = _IS_ACTIVE[scores.argmax(axis=-1)][told]
        parts.append(part)
    heard = np.concatenate(parts, axis=1)
    return heard[:, heard.any(axis=0)]


def in_stretches(activity: BoolArray) -> BoolArray:
    """Each voice cut into as many as it speaks stretches: (frames, voices) → (frames, voices or more)."""
    columns = []
    for active in activity.T:
        frames = np.flatnonzero(active)
        for stretch in np.array_split(frames, max(1, round(len(frames) / _STRETCH_FRAMES))):
            columns.append(np.zeros(len(active), np.bool_))
            columns[-1][stretch] = True
    return np.stack(columns, axis=1) if columns else activity


def runs_of(active: BoolArray) -> list[Run]:
    """The stretches in which a voice is heard, of its column."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    return [Run(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def span_samples(run: Run, frames: int, samples: int) -> tuple[int, int]:
    """Where a run starts and ends in a window of so many frames and samples: half a frame around the middles, and the
    window's first and last frame reach to its ends.
    """
    edge = arch.FIRST_CENTRE_SAMPLES - arch.FRAME_SAMPLES // 2
    start = edge + run.start * arch.FRAME_SAMPLES if run.start else 0
    end = edge + run.end * arch.FRAME_SAMPLES if run.end < frames else samples
    return min(start, samples), min(end, samples)
