"""Channels and voices through the pipeline: labels, numbers, drafts, and where one goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment, TranscriptInfo, Warning  # noqa: A004  the word the API uses
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import EngineUnavailable
from stenod_server.ports import Int16Audio, RecognitionRequest, Window, WindowPlan, WindowVoices
from stenod_server.recognition.language_choice import ChoiceRules
from stenod_server.recognition.listening import Listener
from stenod_server.recognition.memory import Voices, fits
from stenod_server.recognition.pipeline import Pipeline, Recording
from stenod_server.recognition.stitch import SegmentRules
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.recognition.test_chunked_recording import Sink
from tests.unit.recognition.test_pipeline import CountedEngines

LABELS = Diarization(mode=DiarizationMode.CHANNEL, channel_labels=("Agent",))


def window(index: int, start_s: int, channel: int = 0, *, seconds: int = 2, voice: int = 0) -> Window:
    """`voice` speaks in each of its seconds, to a FakeEngine."""
    audio = np.full(seconds * HZ, voice, np.int16)
    start = start_s * HZ
    return Window(index, start, audio, start, start + len(audio), channel)


class Collector:
    """Keeps the voices of each window."""

    def __init__(self) -> None:
        self.added: list[tuple[int, list[int]]] = []

    def add(self, start_samples: int, voices: WindowVoices) -> None:
        heard = [int(np.argmax(voices.voices[span.voice].embedding)) for span in voices.spans]
        self.added.append((start_samples // HZ, heard))

    def remember(self) -> Mapping[str, Any]:
        return {"added": self.added}

    def recall(self, memory: Mapping[str, Any]) -> None:
        self.added = [(start, heard) for start, heard in memory["added"]]


class Mute(FakeEngine):
    """Tells no voices."""

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        del audio, model, revision, interactive, timeout_s
        raise EngineUnavailable("no voices")


class WithoutThirds:
    """A formatter of which nothing is left of every third segment."""

    def __init__(self) -> None:
        self._seen = 0

    def format(self, segment: Segment) -> Segment | None:
        self._seen += 1
        return None if self._seen % 3 == 0 else replace(segment, language="written")

    def warnings(self) -> tuple[Warning, ...]:
        return (Warning("THIRDS_LEFT_OUT", f"{self._seen // 3}"),)


def recording(**changes: Any) -> Recording:
    plain = Recording(
        path=Path("a.wav"),
        plan=WindowPlan(10 * HZ, 30 * HZ, per_channel=True),
        request=RecognitionRequest("fake"),
        window_timeout_s=5.0,
        rules=SegmentRules(pause_samples=HZ // 4),
        diarization=LABELS,
    )
    return replace(plain, **changes)


async def transcribe(
    windows: Sequence[Window], what: Recording, *, engine: FakeEngine | None = None, channels: int = 3
) -> tuple[Sink, TranscriptInfo]:
    sink = Sink()
    front_end = ScriptedFrontEnd(windows, channels=channels)
    info = await Pipeline(engine or FakeEngine(), front_end).transcribe(what, CountedEngines(3), sink)
    return sink, info


CALL = [window(0, 0), window(1, 1, 1), window(2, 4), window(3, 4, 1, seconds=1), window(4, 9, 2)]


async def test_words_and_segments_carry_the_label_of_their_channel_in_order_of_time() -> None:
    sink, info = await transcribe(CALL, recording())
    assert info.channels == ("Agent", "Channel 2", "Channel 3")
    said = [(segment.start_s, segment.channel) for segment in sink.got]
    assert said == sorted(said)
    assert {channel for _, channel in said} == set(info.channels)
    assert all({word.channel for word in segment.words} == {segment.channel} for segment in sink.got)
    assert [segment.index for segment in sink.got] == list(range(len(sink.got))) == list(range(9))


async def test_mixed_channels_have_no_label() -> None:
    mixed = recording(plan=WindowPlan(10 * HZ, 30 * HZ))
    sink, info = await transcribe([window(0, 0)], mixed)
    assert (info.channels, {segment.channel for segment in sink.got}) == ((), {""})


async def test_more_labels_than_channels_are_no_error() -> None:
    labels = Diarization(mode=DiarizationMode.CHANNEL, channel_labels=("Agent", "Caller", "Nobody"))
    _, info = await transcribe([window(0, 0)], recording(diarization=labels), channels=1)
    assert info.channels == ("Agent",)


async def test_numbers_have_no_gap_where_the_text_stage_leaves_nothing() -> None:
    sink, info = await transcribe(CALL, recording(formatter=WithoutThirds()))
    assert [warning.message for warning in info.warnings] == ["3"]
    assert [segment.index for segment in sink.got] == list(range(6))
    assert {segment.language for segment in sink.got} == {"written"}


async def test_every_word_is_measured() -> None:
    loud = replace(window(0, 0), audio=np.full(2 * HZ, 16384, np.int16))
    sink, _ = await transcribe([loud], recording())
    assert {word.volume for segment in sink.got for word in segment.words} == {90.0}


def speakers(collector: Collector) -> Recording:
    plan = WindowPlan(10 * HZ, 30 * HZ)
    return recording(plan=plan, diarization=Diarization(), voices=Voices("fake-voices", collector, "1"))


async def test_voices_go_to_their_collector_in_order_and_segments_are_drafts() -> None:
    collector = Collector()
    windows = [window(number, 3 * number, voice=number % 3) for number in range(6)]
    sink, _ = await transcribe(windows, speakers(collector), engine=FakeEngine(delay_ratio=0.001))
    assert collector.added == [(3 * number, [number % 3] * 2 if number % 3 else []) for number in range(6)]
    assert {segment.final for segment in sink.got} == {False}


async def test_without_voices_no_model_is_asked_and_segments_are_final() -> None:
    sink, _ = await transcribe(CALL, recording(), engine=Mute())
    assert {segment.final for segment in sink.got} == {True}


async def test_words_and_voices_of_a_window_are_asked_for_at_once_with_one_engine() -> None:
    class Waits(FakeEngine):
        """Tells voices only once it was asked for the words as well, and the other way round."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        async def _both(self) -> None:
            self.asked += 1
            await eventually(lambda: self.asked == 2)

        async def voices(
            self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
        ) -> WindowVoices:
            await self._both()
            return await super().voices(audio, model, revision=revision, interactive=interactive, timeout_s=timeout_s)

        async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> Any:
            await self._both()
            return await super().recognise(audio, request, timeout_s=timeout_s)

    collector, engines = Collector(), CountedEngines(1)
    front_end = ScriptedFrontEnd([window(0, 0, voice=3)])
    await Pipeline(Waits(), front_end).transcribe(speakers(collector), engines, Sink())
    assert (collector.added, engines.taken, engines.held) == ([(0, [3, 3])], 1, 0)


async def test_a_model_of_voices_that_fails_ends_the_recording() -> None:
    with pytest.raises(EngineUnavailable, match="no voices"):
        await transcribe([window(0, 0)], speakers(Collector()), engine=Mute())


async def test_one_goes_on_behind_any_window_of_several_channels() -> None:
    sink, _ = await transcribe(CALL, recording())
    assert len(sink.places) == len(CALL)
    for checkpoint, given in sink.places:
        rest, _ = await transcribe(CALL, recording(resume=checkpoint))
        assert [*given, *rest.got] == sink.got


async def test_voices_are_remembered_and_no_checkpoint_without_them_fits() -> None:
    windows = [window(number, 3 * number, voice=number % 3) for number in range(5)]
    whole = Collector()
    sink, _ = await transcribe(windows, speakers(whole))
    for checkpoint, given in sink.places:
        again = Collector()
        rest, _ = await transcribe(windows, replace(speakers(again), resume=checkpoint))
        assert again.added == whole.added
        assert [*given, *rest.got] == sink.got
    first: Checkpoint = sink.places[0][0]
    assert fits(first, speakers(whole).signature)
    assert not fits(first, replace(speakers(whole), voices=None).signature)


async def test_the_language_is_listened_for_on_all_channels() -> None:
    engines = CountedEngines(1)
    front_end = ScriptedFrontEnd([window(0, 0, 1, seconds=20), window(1, 1, 0, seconds=20)])
    heard = await asyncio.wait_for(Listener(FakeEngine(), front_end).listen(recording(), engines, ChoiceRules()), 5)
    assert heard.choice.language == "en"
    assert front_end.plans[0].per_channel
