"""One recording → its segments: windows from the front end, k of them at the recogniser, results put in order again.

    front end ──► reader ──► one task per window (each holds an engine) ──► line, in order ──► emitter ──► sink

What is held: a window's audio for each engine in use and one more that waits for its engine (with the one before each,
where languages are watched over); the words of at most
`max_ahead` windows that finished before an older one did; one open segment. Nothing else, so a recording of ten hours
takes what one of ten minutes takes. A sink that is slow slows the reader, and the reader the decoder.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import ContractViolation
from stenod_server.ports import (
    AudioFrontEnd,
    AudioProgress,
    AudioSummary,
    Engine,
    Int16Audio,
    RecognitionRequest,
    Window,
    WindowPlan,
    WindowResult,
)
from stenod_server.recognition.drift import UNDETERMINED, LanguageWatch, WithContext, in_language
from stenod_server.recognition.guard import GuardLimits, Oddity
from stenod_server.recognition.memory import Memory, signature
from stenod_server.recognition.stitch import Frame, SegmentRules

Item: TypeAlias = Window | AudioProgress | AudioSummary
InLine: TypeAlias = tuple[Frame, asyncio.Task[WindowResult]]


class EngineSource(Protocol):
    """The engines a job may use. One `acquire` per window; `release` once for each that returned."""

    async def acquire(self) -> None:
        """Wait for an engine. Cancelling the wait takes none."""
        ...

    def release(self) -> None: ...


class TranscriptSink(Protocol):
    """Where a transcript goes while it is made. What may be awaited may wait, and so hold the recording up.

    Calls can come from two tasks at once.
    """

    def follow(self, checkpoint: Callable[[], Checkpoint]) -> None:
        """Called once, first: how to ask where the recording is. What was given until then lies before the answer."""
        ...

    def recognised(self, frame: Frame) -> None:
        """A window came back from the recogniser; in order of time."""
        ...

    async def progress(self, *, done_samples: int, total_samples: int) -> None:
        """How far it is; `total_samples` is an estimate, 0 while unknown."""
        ...

    async def segments(self, segments: Sequence[Segment]) -> None:
        """The next segments, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is to be done. `resume`: go on behind this checkpoint, which `memory.fits`. `watch`: over the languages of
    windows, where the recogniser does not tell them.
    """

    path: Path
    plan: WindowPlan
    request: RecognitionRequest
    window_timeout_s: float
    rules: SegmentRules = field(default_factory=SegmentRules)
    limits: GuardLimits = field(default_factory=GuardLimits)
    resume: Checkpoint | None = None
    watch: LanguageWatch | None = None

    @property
    def signature(self) -> str:
        return signature(self.request, self.plan)


class Pipeline:
    """Recognises recordings; keeps nothing between them, so one serves all jobs."""

    def __init__(self, engine: Engine, front_end: AudioFrontEnd, *, max_ahead: int = 256) -> None:
        self._engine = engine
        self._front_end = front_end
        self._max_ahead = max_ahead

    async def transcribe(self, recording: Recording, engines: EngineSource, sink: TranscriptSink) -> TranscriptInfo:
        """Recognise a recording; its segments go to `sink`. Cancelling it cancels every window in flight.

        Raises UnsupportedMedia, NoAudio, LimitExceeded (bad input); DecoderDied, EngineUnavailable, WindowTimeout
        (passing); ModelNotFound, InvalidField, ContractViolation; whatever the sink raises.
        """
        run = _Run(self._engine, recording, engines, sink, self._max_ahead)
        sink.follow(run.memory.checkpoint)
        async with self._front_end.windows(recording.path, recording.plan) as items:
            try:
                async with asyncio.TaskGroup() as tasks:
                    reader = tasks.create_task(run.read(items, tasks), name="reader")
                    tasks.create_task(run.emit(), name="emitter")
            except BaseExceptionGroup as group:
                # One cause is enough; the others follow from it, for the group cancels what is left.
                raise _first_leaf(group) from None
        return run.memory.facts.info(
            reader.result(), model=recording.request.model, language=recording.request.language
        )


class _Run:
    """The state of one recording. `_line` carries windows from reader to emitter in order of time."""

    def __init__(
        self, engine: Engine, recording: Recording, engines: EngineSource, sink: TranscriptSink, max_ahead: int
    ) -> None:
        self.memory: Final = Memory.fresh(recording.signature, recording.rules, recording.limits)
        if recording.resume is not None:
            self.memory.recall(recording.resume)
        self._first_window = self.memory.windows
        self._engine = engine
        self._recording = recording
        self._engines = engines
        self._sink = sink
        self._line: asyncio.Queue[InLine | None] = asyncio.Queue(max_ahead)
        self._total_samples = 0  # written by the reader only

    async def read(self, items: AsyncIterator[Item], tasks: asyncio.TaskGroup) -> AudioSummary:
        summary = None
        before: Window | None = None
        async for item in items:
            match item:
                case Window():
                    if item.index >= self._first_window:
                        await self._start(item, before, tasks)
                    before = item if self._recording.watch else None
                case AudioProgress():
                    await self._decoded(item)
                case AudioSummary():
                    summary = item
                    self._total_samples = item.duration_samples
        await self._line.put(None)
        if summary is None:
            raise ContractViolation("the front end ended without a summary")
        return summary

    async def _start(self, window: Window, before: Window | None, tasks: asyncio.TaskGroup) -> None:
        await self._engines.acquire()
        task = tasks.create_task(self._recognise(window, before), name=f"window-{window.index}")
        # Not in a `finally` of the task: a task that is cancelled before its first step never gets there.
        task.add_done_callback(lambda _task: self._engines.release())
        await self._line.put((Frame.of(window), task))

    async def _recognise(self, window: Window, before: Window | None) -> WindowResult:
        result = await self._hear(window.audio)
        watch = self._recording.watch
        if watch is None:
            return result
        if watch.has_drifted(result):
            longer = WithContext.of(window, before, most_samples=self._recording.plan.window_max_samples)
            again = longer.own(await self._hear(longer.audio)) if longer else result
            result = again if watch.is_as_asked(again) else result
        return watch.told(result)

    async def _hear(self, audio: Int16Audio) -> WindowResult:
        recording = self._recording
        return await self._engine.recognise(audio, recording.request, timeout_s=recording.window_timeout_s)

    async def _decoded(self, progress: AudioProgress) -> None:
        self._total_samples = max(progress.estimated_samples, progress.decoded_samples)
        if self._line.empty():  # otherwise the windows in line say how far recognition is
            await self._sink.progress(done_samples=progress.decoded_samples, total_samples=self._total_samples)

    async def emit(self) -> None:
        while (in_line := await self._line.get()) is not None:
            frame, task = in_line
            await self._place(frame, await task)
        await self._send(self.memory.stitcher.finish())

    async def _place(self, frame: Frame, result: WindowResult) -> None:
        self._sink.recognised(frame)
        segments = self._take_in(frame, result)
        await self._send(segments)
        await self._sink.progress(done_samples=frame.keep_end_samples, total_samples=self._total_samples)

    def _take_in(self, frame: Frame, result: WindowResult) -> Sequence[Segment]:
        """One step, without an await: a checkpoint lies before a window or behind it."""
        memory, watch = self.memory, self._recording.watch
        if watch and watch.has_drifted(result):
            memory.facts.note(frame, (Oddity.LANGUAGE_DRIFT,))
        if watch and result.language == UNDETERMINED and memory.facts.language:
            result = in_language(result, memory.facts.language, 0.0)
        memory.facts.vote(frame, result)
        words = memory.stitcher.place(frame, result.words)
        verdict = memory.guard.inspect(words, no_speech=result.no_speech, window_samples=frame.kept_samples)
        memory.facts.note(frame, verdict.oddities)
        memory.windows += 1
        return memory.stitcher.feed(frame, verdict.words)

    async def _send(self, segments: Sequence[Segment]) -> None:
        if segments:
            await self._sink.segments(segments)


def _first_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, BaseExceptionGroup) else first
