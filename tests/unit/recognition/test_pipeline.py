import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.engine.fake import FAKE_VOICE_PROFILE, FakeEngine
from stenod_server.errors import ContractViolation, EngineUnavailable, NoAudio, UnsupportedMedia
from stenod_server.ports import AudioProgress, RecognitionRequest, WindowPlan, WindowVoices
from stenod_server.recognition.memory import Voices
from stenod_server.recognition.pipeline import Pipeline, Recording
from stenod_server.recognition.stitch import Frame, SegmentRules
from stenod_server.text.formatting.formatter import Formatter
from tests.support.eventually import eventually, settle
from tests.support.front_end import ScriptedFrontEnd, make_windows


class CountedEngines:
    """So many engines, and whether each came back."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self.held = 0
        self.taken = 0

    async def acquire(self) -> None:
        await self._free.acquire()
        self.held += 1
        self.taken += 1

    def release(self) -> None:
        self.held -= 1
        self._free.release()


class ListSink:
    """Keeps everything; `gate` holds segments up."""

    def __init__(self) -> None:
        self.got: list[Segment] = []
        self.frames: list[Frame] = []
        self.done: list[tuple[int, int]] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    def follow(self, checkpoint: Callable[[], Checkpoint | None]) -> None:
        self.checkpoint = checkpoint

    def recognised(self, frame: Frame) -> None:
        self.frames.append(frame)

    async def progress(self, *, done_samples: int, total_samples: int) -> None:
        self.done.append((done_samples, total_samples))

    async def segments(self, segments: Sequence[Segment]) -> None:
        if self.error:
            raise self.error
        if self.gate:
            await self.gate.wait()
        self.got += segments


class Run:
    """A pipeline with its doubles."""

    def __init__(
        self, front_end: ScriptedFrontEnd, engine: FakeEngine, *, engines: int = 2, max_ahead: int = 256
    ) -> None:
        self.front_end, self.engine = front_end, engine
        self.engines, self.sink = CountedEngines(engines), ListSink()
        self._pipeline = Pipeline(engine, front_end, max_ahead=max_ahead)

    async def transcribe(self, **more: Any) -> TranscriptInfo:
        recording = Recording(
            path=Path("recording.wav"),
            plan=WindowPlan(10 * HZ, 30 * HZ),
            request=RecognitionRequest("fake"),
            window_timeout_s=5.0,
            rules=SegmentRules(pause_samples=HZ // 4),
            **more,
        )
        return await self._pipeline.transcribe(recording, self.engines, self.sink)

    def starts_s(self) -> list[float]:
        return [word.start_s for segment in self.sink.got for word in segment.words]


async def test_a_recording_becomes_segments_in_order_and_facts() -> None:
    run = Run(ScriptedFrontEnd(make_windows(3), duration_samples=7 * HZ), FakeEngine())
    info = await run.transcribe()
    assert run.starts_s() == [0, 1, 2, 3, 4, 5]
    assert [segment.index for segment in run.sink.got] == list(range(6))
    assert (info.duration_s, info.windows, info.speech_samples) == (7.0, 3, 6 * HZ)
    assert (info.language, info.language_confidence, info.model) == ("en", 1.0, "fake")
    assert run.sink.done[-1][0] == 6 * HZ
    assert [frame.index for frame in run.sink.frames] == [0, 1, 2]
    assert run.engines.held == 0


async def test_as_many_windows_are_in_flight_as_there_are_engines() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    run = Run(ScriptedFrontEnd(make_windows(20)), engine, engines=4)
    work = asyncio.create_task(run.transcribe())
    await eventually(lambda: engine.in_flight == 4)
    await settle()
    assert run.front_end.taken == 5  # one more is read ahead, and waits for its engine
    engine.gate.set()
    await work
    assert engine.max_in_flight == 4


async def test_windows_that_finish_out_of_order_come_out_in_order() -> None:
    """Longer windows first, and an engine that takes longer for them."""
    windows = [w for n, w in enumerate(make_windows(6)) if n != 0]
    engine = FakeEngine(delay_ratio=0.002)
    long_first = make_windows(1, seconds=20)[0]
    later = [
        type(w)(
            w.index, w.start_samples + 20 * HZ, w.audio, w.keep_start_samples + 20 * HZ, w.keep_end_samples + 20 * HZ
        )
        for w in windows
    ]
    run = Run(ScriptedFrontEnd([long_first, *later]), engine, engines=6)
    await run.transcribe()
    assert run.starts_s() == sorted(run.starts_s())
    assert len(run.starts_s()) == 30


async def test_what_waits_for_an_older_window_is_bounded() -> None:
    """The first window hangs; with 3 places in line the reader stops, however many engines are free."""
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    run = Run(ScriptedFrontEnd(make_windows(100)), engine, engines=50, max_ahead=3)
    work = asyncio.create_task(run.transcribe())
    await eventually(lambda: engine.in_flight == 5)
    await settle()
    assert engine.in_flight == 5  # 3 in line, 1 with the emitter, 1 with the reader
    engine.gate.set()
    await work
    assert len(run.sink.frames) == 100


async def test_a_slow_sink_slows_the_decoder() -> None:
    run = Run(ScriptedFrontEnd(make_windows(100)), FakeEngine(), max_ahead=2)
    run.sink.gate = asyncio.Event()
    work = asyncio.create_task(run.transcribe())
    await eventually(lambda: run.engine.completed >= 3)
    await settle(200)
    assert run.front_end.taken <= 8
    run.sink.gate.set()
    await work
    assert len(run.sink.got) == 200


async def test_silence_succeeds_with_nothing() -> None:
    run = Run(ScriptedFrontEnd(duration_samples=60 * HZ), FakeEngine())
    info = await run.transcribe()
    assert run.sink.got == []
    assert (info.duration_s, info.windows, info.language, info.language_confidence) == (60.0, 0, "", 0.0)
    assert info.warnings == ()


async def test_damage_becomes_a_warning() -> None:
    run = Run(ScriptedFrontEnd(make_windows(1), damage="cut short at 2.0 s"), FakeEngine())
    (warning,) = (await run.transcribe()).warnings
    assert (warning.reason, warning.message) == ("DAMAGED_MEDIA", "cut short at 2.0 s")


async def test_progress_of_decoding_shows_while_nothing_is_recognised() -> None:
    progress = [AudioProgress(HZ, 10 * HZ), AudioProgress(2 * HZ, 10 * HZ)]
    run = Run(ScriptedFrontEnd(make_windows(1), progress=progress), FakeEngine())
    await run.transcribe()
    assert run.sink.done[:2] == [(HZ, 10 * HZ), (2 * HZ, 10 * HZ)]


@pytest.mark.parametrize("error", [UnsupportedMedia("noise"), NoAudio("none")], ids=lambda error: error.reason)
async def test_an_error_of_the_front_end_comes_out_as_it_is(error: Exception) -> None:
    run = Run(ScriptedFrontEnd(make_windows(3), error=error), FakeEngine())
    with pytest.raises(type(error)) as caught:
        await run.transcribe()
    assert caught.value is error
    assert (run.engines.held, run.front_end.open) == (0, 0)


async def test_one_window_that_fails_ends_the_recording_and_the_windows_beside_it() -> None:
    engine = FakeEngine(failures=[EngineUnavailable("gone")])
    engine.gate = asyncio.Event()
    run = Run(ScriptedFrontEnd(make_windows(10)), engine, engines=4)
    with pytest.raises(EngineUnavailable):
        await run.transcribe()
    assert (engine.in_flight, run.engines.held, run.front_end.open) == (0, 0, 0)


async def test_an_error_of_the_sink_ends_the_recording() -> None:
    run = Run(ScriptedFrontEnd(make_windows(10)), FakeEngine())
    run.sink.error = RuntimeError("full")
    with pytest.raises(RuntimeError, match="full"):
        await run.transcribe()
    assert (run.engines.held, run.front_end.open) == (0, 0)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 50])
async def test_cancelling_leaks_no_engine_and_no_window(turns: int) -> None:
    """At whatever point: before the first window, between grant and start, with windows in flight."""
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    run = Run(ScriptedFrontEnd(make_windows(10)), engine, engines=3)
    work = asyncio.create_task(run.transcribe())
    await settle(turns)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (engine.in_flight, run.engines.held, run.front_end.open) == (0, 0, 0)


class Slow(Formatter):
    """Holds the thread in which it formats until the test says so."""

    def __init__(self) -> None:
        super().__init__(Formatting())
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def format(self, segment: Segment) -> Segment | None:
        self.has_begun.set()
        assert self.may_end.wait(20)
        return super().format(segment)


async def test_while_a_window_is_formatted_others_go_on_and_no_checkpoint_is_given() -> None:
    run, slow = Run(ScriptedFrontEnd(make_windows(3)), FakeEngine()), Slow()
    work = asyncio.create_task(run.transcribe(formatter=slow, formats_slowly=True))
    await eventually(slow.has_begun.is_set)
    assert run.sink.checkpoint() is None
    slow.may_end.set()
    await work
    assert run.starts_s() == [0, 1, 2, 3, 4, 5]
    last = run.sink.checkpoint()
    assert last
    assert (last.windows, last.segments) == (3, 6)


class Collector:
    """Holds the thread in which it is given voices until the test says so."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.starts: list[int] = []

    def add(self, start_samples: int, _voices: WindowVoices) -> None:
        self.has_begun.set()
        assert self.may_end.wait(20)
        self.starts.append(start_samples)

    def remember(self) -> dict[str, Any]:
        return {"starts": self.starts}

    def recall(self, memory: Mapping[str, Any]) -> None:
        self.starts = memory["starts"]


async def test_while_voices_are_collected_others_go_on_and_no_checkpoint_is_given() -> None:
    run, collector = Run(ScriptedFrontEnd(make_windows(3)), FakeEngine()), Collector()
    work = asyncio.create_task(run.transcribe(voices=Voices(FAKE_VOICE_PROFILE.model, collector, "1")))
    await eventually(collector.has_begun.is_set)
    assert run.sink.checkpoint() is None
    collector.may_end.set()
    await work
    assert collector.starts == [0, 2 * HZ, 4 * HZ]
    last = run.sink.checkpoint()
    assert last
    assert '"starts":[0,32000,64000]' in last.memory


async def test_a_front_end_without_a_summary_is_a_breach_of_contract() -> None:
    with pytest.raises(ContractViolation, match="without a summary"):
        await Run(ScriptedFrontEnd(make_windows(1), summary=False), FakeEngine()).transcribe()


async def test_nothing_of_a_recording_stays_behind_in_the_pipeline() -> None:
    """Segments leave as soon as they are whole: with 1000 windows at most a handful is between engine and sink."""
    run = Run(ScriptedFrontEnd(make_windows(1000)), FakeEngine(), engines=4)
    most = 0

    def recognised(frame: Frame) -> None:
        nonlocal most
        most = max(most, frame.index * 2 - len(run.sink.got))

    run.sink.recognised = recognised  # type: ignore[method-assign]
    await run.transcribe()
    assert len(run.sink.got) == 2000
    assert most <= 2
