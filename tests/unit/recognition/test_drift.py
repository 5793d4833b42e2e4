"""A recogniser that takes one language for another, and a pipeline that watches it."""

from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import TranscriptInfo, Word
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import Int16Audio, RecognitionRequest, Window, WindowPlan, WindowResult
from stenod_server.recognition.drift import LanguageWatch, WithContext
from stenod_server.recognition.pipeline import Pipeline, Recording
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.recognition.test_pipeline import CountedEngines, ListSink


class TellTale:
    """Texts of `fr-fr-fr` are French; of one language, if they are three words or more."""

    languages = frozenset({"fr", "en"})

    def identify(self, text: str) -> tuple[str, float] | None:
        words = text.split()
        return (words[0], 0.97) if len(words) >= 3 and len(set(words)) == 1 and words[0] in self.languages else None


class DriftingEngine(FakeEngine):
    """Says the first sample's language in a word a second: 1 is French, 2 English, 3 short; it takes English for French
    (4) unless it hears more than three seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard_s: list[int] = []

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        del timeout_s
        self.heard_s.append(len(audio) // HZ)
        spoken = []
        for place in range(0, len(audio), HZ):
            is_drifting = audio[place] == 4 and len(audio) <= 3 * HZ
            text = {1: "fr", 2: "en", 3: "eh", 4: "fr" if is_drifting else "en"}[int(audio[place])]
            spoken.append(Word(text, place, place + HZ // 2, 0.9, language=request.language))
        is_told = request.language != "auto"
        language, confidence = (request.language, 1.0) if is_told else ("und", 0.0)
        return WindowResult(tuple(spoken), language, confidence, no_speech=0.0)


async def transcribe(
    *codes: int, asked: str = "en", is_watched: bool = True
) -> tuple[TranscriptInfo, list[str], DriftingEngine, list[str]]:
    """Windows of three seconds, each of one code."""
    windows = [
        Window(index, index * 3 * HZ, np.full(3 * HZ, code, np.int16), index * 3 * HZ, (index + 1) * 3 * HZ)
        for index, code in enumerate(codes)
    ]
    engine, sink = DriftingEngine(), ListSink()
    recording = Recording(
        path=Path("recording.wav"),
        plan=WindowPlan(3 * HZ, 5 * HZ),
        request=RecognitionRequest("fake", asked),
        window_timeout_s=5.0,
        watch=LanguageWatch(TellTale(), asked) if is_watched else None,
    )
    info = await Pipeline(engine, ScriptedFrontEnd(windows)).transcribe(recording, CountedEngines(2), sink)
    words = [word for segment in sink.got for word in segment.words]
    assert [word.start_samples for word in words] == [second * HZ for second in range(3 * len(codes))]
    return info, [word.text for word in words], engine, [word.language for word in words]


async def test_a_window_that_drifts_is_heard_again_with_what_was_said_before_it() -> None:
    info, texts, engine, _languages = await transcribe(2, 4, 2)
    assert texts == ["en"] * 9
    assert sorted(engine.heard_s) == [3, 3, 3, 5]  # as much of the window before as there is room for
    assert info.warnings == ()


async def test_without_a_watch_it_stays_as_it_was_heard() -> None:
    info, texts, engine, _languages = await transcribe(2, 4, 2, is_watched=False)
    assert texts == ["en"] * 3 + ["fr"] * 3 + ["en"] * 3
    assert engine.heard_s == [3, 3, 3]
    assert info.warnings == ()


async def test_what_is_in_another_language_all_the_same_is_reported_as_that() -> None:
    info, texts, _engine, languages = await transcribe(2, 1, 2)
    assert texts == ["en"] * 3 + ["fr"] * 3 + ["en"] * 3
    assert languages == texts
    assert info.language == "en"
    (warning,) = info.warnings
    assert (warning.reason, warning.message) == ("LANGUAGE_DRIFT", "1 of 3 windows; the first at 3.0 s")


async def test_the_first_window_has_nothing_before_it() -> None:
    info, _texts, engine, languages = await transcribe(4, 2)
    assert engine.heard_s == [3, 3]
    assert languages == ["fr"] * 3 + ["en"] * 3
    assert [warning.reason for warning in info.warnings] == ["LANGUAGE_DRIFT"]


async def test_a_job_of_any_language_has_that_of_its_text() -> None:
    info, _texts, engine, languages = await transcribe(1, 3, 1, asked="auto")
    assert languages == ["fr"] * 9  # where the text is too short to say, that of what was before it
    assert (info.language, info.warnings) == ("fr", ())
    assert info.language_confidence == pytest.approx(0.97)
    assert engine.heard_s == [3, 3, 3]


async def test_a_text_that_tells_nothing_leaves_the_language_unknown() -> None:
    info, _texts, _engine, _languages = await transcribe(3, asked="auto")
    assert (info.language, info.language_confidence) == ("", 0.0)


def test_a_language_that_texts_do_not_tell_is_not_watched() -> None:
    result = WindowResult((Word("fr", 0, 1, 1.0), Word("fr", 1, 2, 1.0), Word("fr", 2, 3, 1.0)), "xx", 1.0, 0.0)
    assert not LanguageWatch(TellTale(), "xx").has_drifted(result)
    assert LanguageWatch(TellTale(), "en").has_drifted(result)
    assert not LanguageWatch(TellTale(), "fr-CA").has_drifted(result)


def test_the_context_is_of_the_same_channel_and_leaves_out_what_both_windows_have() -> None:
    before = Window(0, 0, np.ones(4 * HZ, np.int16), 0, 4 * HZ)
    window = Window(1, 3 * HZ, np.zeros(2 * HZ, np.int16), 3 * HZ, 5 * HZ)
    found = WithContext.of(window, before, most_samples=10 * HZ)
    assert found is not None
    assert (found.context_samples, len(found.audio), int(found.audio.sum())) == (3 * HZ, 5 * HZ, 3 * HZ)
    other = Window(1, 3 * HZ, window.audio, 3 * HZ, 5 * HZ, channel=1)
    assert WithContext.of(other, before, most_samples=10 * HZ) is None
    assert WithContext.of(window, before, most_samples=2 * HZ) is None
    assert WithContext.of(window, None, most_samples=10 * HZ) is None


def test_a_word_over_the_boundary_belongs_to_the_window_that_has_its_middle() -> None:
    heard = WindowResult(
        (Word("davor", 0, HZ - 10, 1.0), Word("noch", HZ - 500, HZ + 100, 1.0), Word("das", HZ - 80, HZ + 900, 1.0)),
        "de",
        1.0,
        0.0,
    )
    own = WithContext(np.zeros(3 * HZ, np.int16), HZ).own(heard)
    assert own.words == (Word("das", 0, 900, 1.0),)
