"""Against the definition written out sample by sample; the agreement with transformers' is an integration test."""

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.families.parakeet.features import FeatureExtractor, mel_bands

EXTRACTOR = FeatureExtractor(80, 0.97)


def noise(samples: int, seed: int = 0) -> npt.NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, 3000, samples).astype(np.int16)


def by_definition(window: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    audio = window / 32768
    sharpened = audio - 0.97 * np.concatenate([[0.0], audio[:-1]])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)
    around = np.concatenate([np.zeros(200), sharpened, np.zeros(200)])
    bins = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    rows = [
        np.log(np.abs(bins @ (around[start : start + 400] * hann)) ** 2 @ mel_bands(80) + 2.0**-24)
        for start in range(0, len(audio) // 160 * 160, 160)
    ]
    features: npt.NDArray[np.float64] = (np.array(rows) - np.mean(rows, axis=0)) / (np.std(rows, axis=0, ddof=1) + 1e-5)
    return features


@pytest.mark.parametrize("samples", [320, 481, 3200, 9999])
def test_features_are_those_of_the_definition(samples: int) -> None:
    window = noise(samples)
    features, frames = EXTRACTOR.batch([window])
    assert frames.tolist() == [samples // 160]
    np.testing.assert_allclose(features[0], by_definition(window), atol=1e-4)


def test_a_window_is_the_same_alone_and_beside_a_longer_one() -> None:
    short, long = noise(4000, 1), noise(16_000, 2)
    together, frames = EXTRACTOR.batch([short, long])
    alone, _frames = EXTRACTOR.batch([short])
    assert frames.tolist() == [25, 100]
    np.testing.assert_array_equal(together[0, :25], alone[0])
    assert not together[0, 25:].any()


def test_bands_are_triangles_of_equal_area_from_0_to_8_khz() -> None:
    bands = mel_bands(128)
    assert bands.shape == (257, 128)
    assert (bands >= 0).all()
    assert bands[0].sum() == 0
    peaks = bands.argmax(axis=0)
    assert (np.diff(peaks) >= 0).all()
    # Area-normalised: 2 / width, times half of the width, sampled every 31.25 Hz.
    np.testing.assert_allclose(bands[:, 60:].sum(axis=0) * 31.25, 1.0, atol=0.15)


def test_silence_is_finite() -> None:
    features, _frames = EXTRACTOR.batch([np.zeros(16_000, np.int16)])
    assert np.isfinite(features).all()
