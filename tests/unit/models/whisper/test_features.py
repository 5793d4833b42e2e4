import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.families.whisper.features import LogMel

SAMPLES = 32_000


def noise(samples: int, seed: int = 0) -> npt.NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, 3000, samples).astype(np.int16)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("samples", [0, 1, 159, 160, 201, 16_000, 31_799, 31_801, 31_999, SAMPLES])
def test_features_are_those_of_transformers(mels: int, samples: int) -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.WhisperFeatureExtractor(feature_size=mels, chunk_length=2)
    window = noise(samples)
    expected = reference([window / np.float32(32768)], sampling_rate=16_000, return_tensors="np").input_features[0]
    found = LogMel(mels, SAMPLES // 160)(window)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4


def test_a_tone_is_loudest_in_its_own_band() -> None:
    times = np.arange(SAMPLES) / 16_000
    loudest = [
        int(LogMel(80, 200)((8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16))[:, 100].argmax())
        for hertz in (200, 1000, 4000)
    ]
    assert loudest == sorted(set(loudest))


def test_silence_has_the_lowest_value_everywhere() -> None:
    assert np.allclose(LogMel(80, 200)(np.zeros(5000, np.int16)), -1.5, atol=1e-6)
