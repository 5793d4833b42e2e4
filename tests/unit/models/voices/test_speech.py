"""What of a window a voice is embedded of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.families.voices import architecture as arch
from stenod_models.families.voices import runtime
from stenod_models.families.voices.activity import frames_of
from stenod_models.families.voices.features import log_mel
from stenod_models.families.voices.runtime import EMBEDDED_FRAMES, VoicesRuntime, embeddable, speech_of

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


@pytest.mark.parametrize("beyond", range(0, 540, 9))  # two frames of the segmentation, in every phase of the features
def test_whoever_speaks_for_a_frame_alone_is_embedded_or_left_out(beyond: int) -> None:
    window = WINDOW[: 16_000 + beyond]
    frames = frames_of(len(window))
    each = np.eye(frames, dtype=np.bool_)
    kept = embeddable(each, len(window))
    assert len(speech_of(window, kept)) == kept.shape[1]
    dropped = np.flatnonzero(~kept.any(axis=1))
    assert set(dropped) <= {frames - 1}  # what is further inside lies within a frame of features


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_nobody_is_embedded_of_less_than_a_frame_of_features(samples: int) -> None:
    active = np.ones((frames_of(samples), 2), np.bool_)
    assert embeddable(active, samples).shape == (len(active), 0)
    assert speech_of(WINDOW[:samples], embeddable(active, samples)) == []


class _Networks:
    """In place of both: somebody is heard from the first frame to before the tenth, and another in the last alone."""

    def __init__(self, last: int) -> None:
        self._last = last

    def run(self, _outputs: None, given: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.float32]]:
        if "features" in given:
            return [np.ones((len(given["features"]), arch.DIMENSIONS), np.float32)]
        classes = np.zeros((len(given["audio"]), arch.CHUNK_FRAMES, len(arch.POWERSET)), np.float32)
        classes[:, :10, arch.POWERSET.index((1,))] = 1.0
        classes[:, self._last, arch.POWERSET.index((0,))] = 1.0
        return [classes]


def test_a_voice_in_the_last_frame_alone_costs_no_window_its_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = next(
        samples
        for samples in range(16_000, 16_540)
        if embeddable(np.eye(frames_of(samples), dtype=np.bool_), samples).shape[1] < frames_of(samples)
    )
    networks = _Networks(frames_of(samples) - 1)
    monkeypatch.setattr(runtime, "open_session", lambda _path, _threads: networks)
    (heard,) = VoicesRuntime(Path()).voices([WINDOW[:samples]])
    assert heard is not None
    assert (heard.span_start_samples.tolist(), heard.span_voice.tolist()) == ([0], [0])
    assert heard.embeddings.shape == (1, arch.DIMENSIONS)
    assert len(heard.clean_samples) == 1
