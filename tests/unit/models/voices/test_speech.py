"""What of a window a voice is embedded of."""

import numpy as np
import pytest

from stenod_models.families.voices import architecture as arch
from stenod_models.families.voices.features import log_mel
from stenod_models.families.voices.runtime import EMBEDDED_FRAMES, speech_of

WINDOW = np.random.default_rng(0).normal(0, 500, 8 * 16_000).astype(np.int16)
FRAMES = (len(WINDOW) - 496) // arch.FRAME_SAMPLES + 1


def activity(*heard: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Each voice is heard from one frame to another."""
    active = np.zeros((FRAMES, len(heard)), np.bool_)
    for voice, (first, last) in enumerate(heard):
        active[first:last, voice] = True
    return active


def test_a_voice_is_embedded_of_what_it_speaks_alone() -> None:
    one, other = speech_of(WINDOW, activity((0, 200), (100, 300)))
    # Frame 99 of the segmentation reaches to sample 495 + 99 * 270 + 135, frame 200 begins at 495 + 200 * 270 - 135.
    frames = np.arange((len(WINDOW) - 400) // 160 + 1)
    centres = frames * 160 + 200
    alone = log_mel(WINDOW, frames[centres < 495 + 99 * 270 + 135])
    assert one.clean_samples == len(alone) * 160
    np.testing.assert_allclose(one.features[: len(alone)], alone - alone.mean(axis=0), atol=1e-5)
    alone = log_mel(WINDOW, frames[(centres >= 495 + 200 * 270 - 135) & (centres < 495 + 299 * 270 + 135)])
    np.testing.assert_allclose(other.features[: len(alone)], alone - alone.mean(axis=0), atol=1e-5)


def test_a_voice_that_hardly_speaks_alone_is_embedded_of_all_it_speaks() -> None:
    one, _other = speech_of(WINDOW, activity((0, 120), (20, 300)))
    assert 0 < one.clean_samples < 50 * 160
    assert len(np.unique(one.features, axis=0)) > 150  # of 120 frames of 17 ms, at 10 ms


@pytest.mark.parametrize(("frames", "length"), [(1, 100), (59, 100), (60, 150), (118, 200), (177, 300)])
def test_speech_is_repeated_to_the_next_length_and_never_padded(frames: int, length: int) -> None:
    (voice,) = speech_of(WINDOW, activity((100, 100 + frames)))
    assert voice.features.shape == (length, arch.MEL_BINS)
    assert length in EMBEDDED_FRAMES
    own = voice.clean_samples // 160
    np.testing.assert_array_equal(voice.features[own:], voice.features[: length - own][: len(voice.features) - own])
