from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from stenod_models.families.voices.features import feature_frames, log_mel


def _reference(audio: npt.NDArray[np.int16]) -> Any:
    bands = mel_filter_bank(
        num_frequency_bins=257,
        num_mel_filters=80,
        min_frequency=20,
        max_frequency=8000,
        sampling_rate=16_000,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return spectrogram(
        audio / 32768.0,
        window_function(400, "povey", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=bands,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T


@pytest.mark.parametrize("loudness", [3, 1000, 20_000])
def test_features_are_kaldis(loudness: int) -> None:
    audio = (np.random.default_rng(0).normal(0.3, 0.3, 16_123).clip(-1, 1) * loudness).astype(np.int16)
    found = log_mel(audio, np.arange(feature_frames(len(audio))))
    np.testing.assert_allclose(found, _reference(audio), atol=1e-4)


def test_silence_is_the_floor() -> None:
    assert set(log_mel(np.zeros(800, np.int16), np.arange(3)).ravel()) == {np.float32(np.log(np.float32(2.0**-23)))}


def test_a_frame_is_the_same_whichever_are_asked_for() -> None:
    audio = np.random.default_rng(1).normal(0, 500, 8000).astype(np.int16)
    every = log_mel(audio, np.arange(feature_frames(len(audio))))
    np.testing.assert_array_equal(log_mel(audio, np.array([40, 3, 17])), every[[40, 3, 17]])


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_whole_frames_alone_are_counted(samples: int, frames: int) -> None:
    assert feature_frames(samples) == frames
