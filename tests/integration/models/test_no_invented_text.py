"""The proof in tests/proofs/silence.py without a server: front end, default model and guard, for fewer sounds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stenod_models.contract import RecognitionOptions
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_server.audio.front_end import recording
from stenod_server.audio.vad import Silero
from stenod_server.domain.transcript import Word
from stenod_server.ports import Window, WindowPlan
from stenod_server.recognition.guard import Guard
from tests.proofs.silence import held
from tests.support.models import VAD_MODEL, read_audio
from tests.support.sounds import HZ, SOUNDS, Int16Audio, at_level
from tests.support.speech import needs_speech, recordings
from tests.support.waves import write_wav

SECONDS = 6.0


@pytest.fixture(scope="module")
def silero(built_models_dir: Path) -> Silero:
    return Silero(built_models_dir / VAD_MODEL / "1" / "silero_vad_sequence.onnx")


class _Listener:
    """From a sound to the texts of its windows: `heard` by the model, `kept` by the guard."""

    def __init__(self, recogniser: MoonshineRecogniser, silero: Silero, path: Path) -> None:
        self._recogniser, self._silero, self._path = recogniser, silero, path
        self.heard: list[str] = []
        self.kept: list[str] = []

    def listen(self, sound: Int16Audio) -> None:
        for window in self._windows(sound):
            [result] = self._recogniser.recognise([window.audio], language="en", options=RecognitionOptions())
            assert result is not None
            words = [Word(w.text, w.start_samples, w.end_samples, w.confidence) for w in result.words]
            verdict = Guard().inspect(words, no_speech=result.no_speech, window_samples=len(window.audio))
            self.heard.append(" ".join(word.text for word in words))
            self.kept += [word.text for word in verdict.words]

    def _windows(self, sound: Int16Audio) -> Iterator[Window]:
        profile = self._recogniser.profile
        plan = WindowPlan(profile.window_target_samples, profile.window_max_samples)
        items = recording(write_wav(self._path, sound), plan, self._silero)
        yield from (item for item in items if isinstance(item, Window))


@pytest.fixture
def listener(recogniser: MoonshineRecogniser, silero: Silero, tmp_path: Path) -> _Listener:
    return _Listener(recogniser, silero, tmp_path / "sound.wav")


@pytest.mark.parametrize("kind", SOUNDS)
def test_nothing_is_heard_where_nobody_speaks(listener: _Listener, kind: str) -> None:
    for seed, peak_db in ((0, -1.0), (1, -20.0)):
        listener.listen(at_level(SOUNDS[kind](SECONDS, seed), peak_db))
    assert listener.kept == []


class TestSpeech:
    pytestmark = needs_speech

    def test_a_held_voice_says_nothing_though_it_begins_like_speech(self, listener: _Listener) -> None:
        for voice in self._voices():
            listener.listen(held(voice, SECONDS))
        assert listener.heard == []  # a steady sound is not even a window

    def test_a_voice_that_trembles_says_nothing_either(self, listener: _Listener) -> None:
        trembling = 10 ** (-4.0 * np.sin(2 * np.pi * 3.0 * np.arange(round(SECONDS * HZ)) / HZ) ** 2 / 20)
        for voice in self._voices():
            listener.listen((held(voice, SECONDS) * trembling).astype(np.int16))
        assert any(listener.heard)  # else the guard has nothing to do here, and other voices are needed
        assert listener.kept == []

    def _voices(self) -> list[Int16Audio]:
        voices = {"lso-367-130732-0000", "kerstin-2032", "wk-es", "noisy10-1688-142285-0001"}
        return [read_audio(one.path)[: 6 * HZ] for one in recordings() if one.id in voices]
