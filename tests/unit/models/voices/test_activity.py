"""Who is heard when, from the scores of the chunks of a window."""

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.families.voices import architecture as arch
from stenod_models.families.voices.activity import (
    Run,
    chunk_starts,
    frames_of,
    in_stretches,
    runs_of,
    span_samples,
    window_activity,
)

HZ = 16_000


def chunk(*heard: tuple[int, int, tuple[int, ...]]) -> npt.NDArray[np.float32]:
    """Scores of a chunk in which, from one frame to another, these voices are heard; nobody elsewhere."""
    scores = np.zeros((arch.CHUNK_FRAMES, len(arch.POWERSET)), np.float32)
    scores[:, 0] = 1.0
    for first, last, voices in heard:
        scores[first:last, arch.POWERSET.index(voices)] = 2.0
    return scores


@pytest.mark.parametrize(
    ("seconds", "chunks"), [(0, 1), (0.5, 1), (9.9, 1), (10, 1), (10.1, 2), (15, 2), (20, 2), (28, 3), (30, 3)]
)
def test_as_few_chunks_as_cover_the_window_are_spread_evenly(seconds: float, chunks: int) -> None:
    samples = int(seconds * HZ)
    starts = chunk_starts(samples)
    assert (starts[0], len(starts)) == (0, chunks)
    behind = starts[-1] * arch.FRAME_SAMPLES + arch.CHUNK_SAMPLES - samples
    assert 0 <= behind < arch.FRAME_SAMPLES or chunks == 1
    assert all(0 < step * arch.FRAME_SAMPLES <= arch.CHUNK_SAMPLES + arch.FRAME_SAMPLES for step in np.diff(starts))
    assert chunks == 1 or np.ptp(np.diff(starts)) <= 1


def test_one_chunk_tells_who_is_heard_and_who_together() -> None:
    scores = chunk((10, 40, (0,)), (40, 60, (0, 2)), (60, 70, (2,)))
    activity = window_activity([scores], [0], 100)
    assert activity.shape == (100, 2)  # voice 1 is not heard
    assert [runs_of(column) for column in activity.T] == [[Run(10, 60)], [Run(40, 70)]]


def test_nobody_is_no_voice() -> None:
    assert window_activity([chunk()], [0], 50).shape == (50, 0)


def test_voices_of_two_chunks_are_different_ones() -> None:
    first, second = chunk((100, 580, (0,))), chunk((0, 180, (0,)))
    activity = window_activity([first, second], [0, 400], 989)
    assert [runs_of(column) for column in activity.T] == [[Run(100, 494)], [Run(494, 580)]]


def test_what_no_chunk_covers_is_as_the_frame_next_to_it() -> None:
    first, second = chunk((500, 589, (0,))), chunk((0, 10, (1,)), (580, 589, (2,)))
    activity = window_activity([first, second], [0, 593], 1186)
    assert [runs_of(column) for column in activity.T] == [[Run(500, 591)], [Run(591, 603)], [Run(1173, 1186)]]


def test_a_voice_is_cut_into_stretches_of_about_two_seconds_of_its_speech() -> None:
    activity = np.zeros((900, 2), np.bool_)
    activity[0:100, 0] = activity[500:736, 0] = True  # 336 frames: three stretches of 112
    activity[300:400, 1] = True
    assert [runs_of(column) for column in in_stretches(activity).T] == [
        [Run(0, 100), Run(500, 512)],
        [Run(512, 624)],
        [Run(624, 736)],
        [Run(300, 400)],
    ]
    assert in_stretches(activity[:, :0]).shape == (900, 0)


def test_each_chunk_tells_of_the_half_of_what_they_share_that_lies_further_inside_it() -> None:
    first, second = chunk((500, 589, (0,))), chunk((0, 80, (0,)))
    # They share 400 to 589, and meet at 494: of frames 500 to 589 the second tells, and it hears nobody there.
    activity = window_activity([first, second], [0, 400], 989)
    assert not activity.any()


def test_runs_are_maximal_and_in_order() -> None:
    active = np.array([1, 1, 0, 0, 1, 0, 1], np.bool_)
    assert runs_of(active) == [Run(0, 2), Run(4, 5), Run(6, 7)]
    assert runs_of(np.zeros(4, np.bool_)) == []


@pytest.mark.parametrize("samples", [0, 1, 495, 496, 16_000, 160_000, 480_000])
def test_spans_lie_inside_the_window_and_reach_its_ends(samples: int) -> None:
    frames = frames_of(samples)
    assert span_samples(Run(0, frames), frames, samples) == (0, samples)
    edges = [span_samples(Run(frame, frame + 1), frames, samples) for frame in range(frames)]
    assert [start for start, _end in edges[1:]] == [end for _start, end in edges[:-1]]  # without a gap
    assert all(start < end for start, end in edges) or not samples


def test_a_frame_in_the_middle_lasts_17_ms_around_its_centre() -> None:
    assert span_samples(Run(100, 101), 589, 160_000) == (495 + 27_000 - 135, 495 + 27_000 + 135)
