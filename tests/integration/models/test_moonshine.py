"""The default model in this process: what it hears, and what it does with odd input."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import RecognitionOptions
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_models.recogniser import Recognition
from tests.support.models import DEFAULT_MODEL, read_audio

OPTIONS = RecognitionOptions()


@pytest.fixture(scope="module")
def speech(built_models_dir: Path) -> npt.NDArray[np.int16]:
    """44 s of reading."""
    return read_audio(built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")


def recognise(recogniser: MoonshineRecogniser, window: npt.NDArray[np.int16]) -> Recognition:
    (result,) = recogniser.recognise([window], language="en", options=OPTIONS)
    assert result is not None
    return result


def test_the_canary_is_heard(recogniser: MoonshineRecogniser, built_models_dir: Path) -> None:
    entry = built_models_dir / DEFAULT_MODEL
    expected = json.loads((entry / "canary.json").read_text())["words"]
    result = recognise(recogniser, read_audio(entry / "canary.wav"))
    heard = ["".join(filter(str.isalpha, word.text)).lower() for word in result.words]
    assert heard[: len(expected)] == expected
    assert result.language == "en"
    assert result.no_speech < 0.3


def test_words_are_ordered_inside_the_window_with_probabilities(
    recogniser: MoonshineRecogniser, speech: npt.NDArray[np.int16]
) -> None:
    window = speech[: 25 * 16_000]
    words = recognise(recogniser, window).words
    times = [time for word in words for time in (word.start_samples, word.end_samples)]
    assert len(words) > 40
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(window)
    assert all(0 < word.confidence <= 1 for word in words)
    assert all(word.text and not any(map(str.isspace, word.text)) for word in words)


@pytest.mark.parametrize("samples", [0, 1, 100, 1599])
def test_too_short_a_window_has_no_words(recogniser: MoonshineRecogniser, samples: int) -> None:
    result = recognise(recogniser, np.full(samples, 1000, np.int16))
    assert result.words == ()
    assert result.no_speech == 1.0


@pytest.mark.parametrize("level", [0, 1, 32_767])
def test_constant_audio_and_noise_do_no_harm(recogniser: MoonshineRecogniser, level: int) -> None:
    constant = np.full(5 * 16_000, level, np.int16)
    noise = np.random.default_rng(0).integers(-level - 1, level + 1, 5 * 16_000).astype(np.int16)
    for window in (constant, noise):
        result = recognise(recogniser, window)
        assert 0 <= result.no_speech <= 1
        assert all(np.isfinite(word.confidence) for word in result.words)


def test_a_cancelled_window_gives_none_and_its_mates_their_words(
    recogniser: MoonshineRecogniser, speech: npt.NDArray[np.int16]
) -> None:
    windows = [speech[: 16_000 * 3], speech[: 16_000 * 8], speech[: 16_000 * 5]]
    polls = 0

    def is_cancelled(index: int) -> bool:
        nonlocal polls
        polls += index == 1
        return index == 1 and polls > 5

    results = recogniser.recognise(windows, language="en", options=OPTIONS, is_cancelled=is_cancelled)
    assert results[1] is None
    assert results[0] == recognise(recogniser, windows[0])
    assert results[2] == recognise(recogniser, windows[2])


@pytest.mark.parametrize("language", ["en", "EN", "en-GB", "en_US", "auto"])
def test_english_is_taken_under_every_name(recogniser: MoonshineRecogniser, language: str) -> None:
    recogniser.check(language, OPTIONS)


@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("de", OPTIONS),
        ("", OPTIONS),
        ("english", OPTIONS),
        ("en", RecognitionOptions(task="translate")),
        ("en", RecognitionOptions(beam_size=17)),
        ("en", RecognitionOptions(prompt="x")),
    ],
)
def test_what_it_cannot_do_is_refused(
    recogniser: MoonshineRecogniser, language: str, options: RecognitionOptions
) -> None:
    with pytest.raises(ValueError, match="moonshine"):
        recogniser.check(language, options)


def test_too_long_a_window_is_refused(recogniser: MoonshineRecogniser) -> None:
    with pytest.raises(ValueError, match="longer than 480000 samples"):
        recogniser.recognise([np.zeros(480_001, np.int16)], language="en", options=OPTIONS)
