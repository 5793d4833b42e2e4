"""From the classes of the chunks of a window to who is heard when in it. Pure.

A window's frames lie FRAME_SAMPLES apart, and so do the starts of its chunks: a frame of a chunk is one of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.families.voices import architecture as arch

BoolArray = npt.NDArray[np.bool_]

# Two neighbouring chunks share this much of a window at least, where it has more than one.
_LEAST_OVERLAP_FRAMES: Final = 148  # 2.5 s
# Voices of two chunks are one where they are heard together for this much of what either is heard in what both share.
_LEAST_JOINED_RATIO: Final = 0.9
_LEAST_JOINED_FRAMES: Final = 90  # 1.5 s

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
    """The frames at which the chunks of a window start: spread evenly, the first at 0, the last one ending with it."""
    spare = -(-max(0, samples - arch.CHUNK_SAMPLES) // arch.FRAME_SAMPLES)  # frames behind the first chunk
    step = arch.CHUNK_FRAMES - _LEAST_OVERLAP_FRAMES
    count = 1 + -(-spare // step)
    return [spare * place // max(1, count - 1) for place in range(count)]


def window_activity(classes: Sequence[npt.NDArray[np.float32]], starts: Sequence[int], frames: int) -> BoolArray:
    """Whether each voice of a window is heard in each of its frames: (frames, voices); the last chunk may end a little
    before them.

    `classes` holds (CHUNK_FRAMES, powerset) of each chunk. In what two chunks share, each tells of the half that lies
    further inside it. Voices of two chunks become one where they are heard at the same time.
    """
    chunks = [_IS_ACTIVE[scores.argmax(axis=-1)] for scores in classes]
    columns = [np.arange(arch.CHUNK_VOICES)]
    for (start, chunk), (next_start, following) in pairwise(zip(starts, chunks, strict=True)):
        before, after = chunk[next_start - start :], following[: arch.CHUNK_FRAMES - next_start + start]
        columns.append(_columns(before, after, columns[-1], fresh=int(max(map(max, columns))) + 1))
    activity = np.zeros((starts[-1] + arch.CHUNK_FRAMES, int(max(map(max, columns))) + 1), np.bool_)
    middles = [(start + arch.CHUNK_FRAMES + after) // 2 for start, after in pairwise(starts)]
    bounds = [0, *middles, len(activity)]
    for start, chunk, places, (first, last) in zip(starts, chunks, columns, pairwise(bounds), strict=True):
        activity[first:last, places] = chunk[first - start : last - start]
    heard = activity[:frames]
    return heard[:, heard.any(axis=0)]


def _columns(before: BoolArray, after: BoolArray, taken: npt.NDArray[np.int64], *, fresh: int) -> npt.NDArray[np.int64]:
    """The column of each voice of a chunk: that of a voice of the chunk before it, or a `fresh` one."""
    together = before.T.astype(np.int64) @ after
    either = before.sum(axis=0)[:, None] + after.sum(axis=0) - together
    best = max(permutations(range(arch.CHUNK_VOICES)), key=lambda order: sum(together[order[b], b] for b in range(3)))
    columns = np.arange(fresh, fresh + arch.CHUNK_VOICES)
    for voice, former in enumerate(best):
        shared = together[former, voice]
        if shared >= max(_LEAST_JOINED_FRAMES, _LEAST_JOINED_RATIO * either[former, voice]):
            columns[voice] = taken[former]
    return columns


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
