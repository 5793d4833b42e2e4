"""Whisper base with its published weights, in this process: what it hears, and what it does not."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import AUTO_LANGUAGE, RecognitionOptions
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.whisper.runtime import WhisperRecogniser
from stenod_models.recogniser import Recognition
from tests.support.models import DEFAULT_MODEL, read_audio
from tests.support.speech import Recording, needs_speech, recordings
from tests.support.whisper_weights import whisper_base, whisper_base_entry

__all__ = ["whisper_base", "whisper_base_entry"]

# faster-whisper 1.2.1, 32 bits, greedy; made by `python -m tests.support.faster_whisper` and these names.
ORACLE = Path(__file__).parent / "assets" / "whisper_base_faster_whisper.json"
OPTIONS = RecognitionOptions()
Window = npt.NDArray[np.int16]


def recognise(
    recogniser: WhisperRecogniser, window: Window, language: str = "en", options: RecognitionOptions = OPTIONS
) -> Recognition:
    (result,) = recogniser.recognise([window], language=language, options=options)
    assert result is not None
    return result


def plain(words: list[str]) -> list[str]:
    return [word for word in ("".join(filter(str.isalnum, text)).lower() for text in words) if word]


def heard(result: Recognition) -> list[str]:
    return plain([word.text for word in result.words])


@pytest.fixture(scope="module")
def canary(built_models_dir: Path) -> tuple[Window, list[str]]:
    entry = built_models_dir / DEFAULT_MODEL
    return read_audio(entry / "canary.wav"), json.loads((entry / "canary.json").read_text())["words"]


def spread(kind: str, count: int) -> list[Recording]:
    """Recordings of this kind that fit into one window."""
    fitting = [recording for recording in recordings(kind) if recording.duration_s <= 30]
    return fitting[:: max(1, len(fitting) // count)][:count]


def test_the_profile_says_what_the_checkpoint_can(whisper_base_entry: Path) -> None:
    profile = profile_of(whisper_base_entry / "config.pbtxt")
    assert len(profile.languages) == 99
    assert {"en", "de", "jv", "zh"} <= set(profile.languages)
    assert profile.tasks == ("transcribe", "translate")
    assert (profile.window_max_samples, profile.length_buckets_samples) == (480_000, (480_000,))
    assert f"max_batch_size: {profile.max_batch_size}" in (whisper_base_entry / "config.pbtxt").read_text()


def test_the_graphs_were_compared_with_the_torch_model(whisper_base_entry: Path) -> None:
    pytest.importorskip("transformers")
    verification = json.loads((whisper_base_entry / "verification.json").read_text())
    assert verification["logit_difference"] < 1e-4
    assert verification["agreeing"] == verification["compared"] == 24


def test_english_is_heard_word_by_word(whisper_base: WhisperRecogniser, canary: tuple[Window, list[str]]) -> None:
    window, expected = canary
    result = recognise(whisper_base, window, AUTO_LANGUAGE)
    assert heard(result)[: len(expected)] == expected
    assert (result.language, result.language_confidence > 0.9) == ("en", True)
    assert result.no_speech == pytest.approx(0.2786, abs=0.01)  # faster-whisper's of the same window
    assert all(0 < word.confidence <= 1 for word in result.words)


def test_marks_are_set_as_readily_as_is_asked(
    whisper_base: WhisperRecogniser, canary: tuple[Window, list[str]]
) -> None:
    def texts(bias: float) -> list[str]:
        options = RecognitionOptions(mark_bias=bias)
        return [word.text for word in recognise(whisper_base, canary[0], options=options).words]

    usual, bare = texts(0.0), texts(-20.0)
    assert any(not word[-1].isalnum() for word in usual)
    assert bare == [word.rstrip(".,;:!?") for word in usual]
    assert texts(12.0) != usual  # nothing but marks: no transcript


def test_words_have_the_times_that_another_model_finds(
    whisper_base: WhisperRecogniser, canary: tuple[Window, list[str]], built_models_dir: Path
) -> None:
    from tests.support.models import load_default_model  # noqa: PLC0415

    window, expected = canary
    (other,) = load_default_model(built_models_dir).recognise([window], language="en", options=OPTIONS)
    assert other is not None
    pairs = list(zip(recognise(whisper_base, window).words, other.words, strict=False))[: len(expected)]
    differences_ms = [abs(one.start_samples - two.start_samples) / 16 for one, two in pairs]
    assert np.median(differences_ms) < 100
    assert np.percentile(differences_ms, 90) < 300


@pytest.mark.parametrize(("seconds", "language"), [(1, "en"), (5, AUTO_LANGUAGE), (20, "en")])
def test_nothing_is_invented_where_nobody_speaks(whisper_base: WhisperRecogniser, seconds: int, language: str) -> None:
    samples = seconds * 16_000
    random = np.random.default_rng(seconds)
    times = np.arange(samples) / 16_000
    sounds = {
        "silence": np.zeros(samples),
        "faint noise": random.normal(0, 3, samples),
        "noise": random.normal(0, 1000, samples),
        "tone": 6000 * np.sin(2 * np.pi * 440 * times),
        "chord": sum(2500 * np.sin(2 * np.pi * hertz * times) for hertz in (220, 277, 330)),
        "held vowel": held_vowel(samples),
    }
    invented = {
        name: heard(recognise(whisper_base, sound.astype(np.int16), language)) for name, sound in sounds.items()
    }
    assert {name: words for name, words in invented.items() if words} == {}


def held_vowel(samples: int) -> npt.NDArray[np.float64]:
    """An "a" sung at 120 Hz with vibrato: harmonics under the resonances of a vocal tract."""
    times = np.arange(samples) / 16_000
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.01 * np.sin(2 * np.pi * 5 * times))) / 16_000
    harmonics = np.arange(1, 60)
    formants_hz, widths_hz = np.array([[700], [1200]]), np.array([[80], [90]])
    resonance = (1 / (1 + ((harmonics * 120 - formants_hz) / widths_hz) ** 2)).sum(axis=0) + 0.02
    sound: npt.NDArray[np.float64] = np.zeros(samples)
    for number, share in zip(harmonics, resonance, strict=True):
        sound += share * np.sin(number * phase)
    loudest = float(np.abs(sound).max())
    return sound * (6000 / loudest)


@pytest.mark.speech
class TestSpeech:
    pytestmark = needs_speech

    def test_nothing_is_invented_in_noise_and_music(self, whisper_base: WhisperRecogniser) -> None:
        invented = {
            recording.id: words
            for recording in recordings("nonspeech")
            if (words := heard(recognise(whisper_base, read_audio(recording.path)[:480_000], AUTO_LANGUAGE)))
        }
        assert invented == {}

    def test_words_are_those_of_faster_whisper(self, whisper_base: WhisperRecogniser) -> None:
        """All recordings, through the whole service, are in tests/proofs/whisper.py."""
        expected = json.loads(ORACLE.read_text())
        heard_here = {
            recording.id: heard(recognise(whisper_base, read_audio(recording.path), recording.fields["language"]))
            for recording in recordings()
            if recording.id in expected
        }
        assert heard_here == {name: plain(text.split()) for name, text in expected.items()}

    def test_languages_are_told(self, whisper_base: WhisperRecogniser) -> None:
        chosen = [*spread("multilingual", 5), *spread("read_en", 2)]
        results = [recognise(whisper_base, read_audio(recording.path), AUTO_LANGUAGE) for recording in chosen]
        right = [one.language == recording.fields["language"] for one, recording in zip(results, chosen, strict=True)]
        assert sum(right) >= len(chosen) - 1
        assert all(0 < result.language_confidence <= 1 for result in results)

    def test_german_is_translated(self, whisper_base: WhisperRecogniser) -> None:
        german = next(recording for recording in recordings("multilingual") if recording.fields["language"] == "de")
        audio = read_audio(german.path)
        result = recognise(whisper_base, audio, AUTO_LANGUAGE, RecognitionOptions(task="translate"))
        assert result.language == "de"
        assert set(heard(result)) & {"the", "a", "and", "of", "to", "i", "is", "was", "in"}
        assert heard(result) != heard(recognise(whisper_base, audio, "de"))

    def test_a_batch_gives_what_each_window_gives_alone(self, whisper_base: WhisperRecogniser) -> None:
        windows = [read_audio(recording.path) for recording in (*spread("short_en", 1), *spread("multilingual", 2))]
        results = whisper_base.recognise(windows, language=AUTO_LANGUAGE, options=OPTIONS)
        for window, result in zip(windows, results, strict=True):
            assert result is not None
            alone = recognise(whisper_base, window, AUTO_LANGUAGE)
            assert [word.text for word in result.words] == [word.text for word in alone.words]
            assert result.language == alone.language
