"""One recording → its segments: windows from the front end, k of them at the recogniser, results put in order again.

    front end ──► reader ──► one task per window (each holds an engine) ──► line, in order ──► emitter ──► sink

What is held: a window's audio for each engine in use and one more that waits for its engine (with the one before each
on its channel, where languages are watched over); the words of at most `max_ahead` windows that finished before an
older one did; of each channel one open segment, and the whole ones that wait for those of other channels (`channels`).
Nothing else, so a recording of ten hours takes what one of ten minutes takes. A sink that is slow slows the reader, and
the reader the decoder.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from stenod_server.domain.diarization import Diarization
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment, TranscriptInfo, Warning  # noqa: A004  the word the API uses
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
    WindowVoices,
)
from stenod_server.recognition.channels import Channels
from stenod_server.recognition.drift import UNDETERMINED, LanguageWatch, WithContext, in_language
from stenod_server.recognition.guard import GuardLimits, Oddity
from stenod_server.recognition.heard_voices import own_voices
from stenod_server.recognition.loudness import as_heard
from stenod_server.recognition.memory import Memory, Voices, signature
from stenod_server.recognition.stitch import Frame, SegmentRules
from stenod_server.text.formatting.formatter import Formatter

Item: TypeAlias = Window | AudioProgress | AudioSummary
Heard: TypeAlias = tuple[WindowResult, WindowVoices | None]
InLine: TypeAlias = tuple[Frame, asyncio.Task[Heard]]


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

    def follow(self, checkpoint: Callable[[], Checkpoint | None]) -> None:
        """Called once, first: how to ask where the recording is. What was given until then lies before the answer, and
        None is answered where that cannot be told now.
        """
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


class SegmentFormatter(Protocol):
    """Writes what was said as people write it."""

    def format(self, segment: Segment) -> Segment | None:
        """The same segment, written; None where nothing of it is left."""
        ...

    def warnings(self) -> tuple[Warning, ...]:
        """What was asked for and could not be done, in what was formatted so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is to be done. `resume`: go on behind this checkpoint, which `memory.fits`. `watch`: over the languages of
    windows, where the recogniser does not tell them. `known`: what is said in windows that were recognised so before.
    With `voices`, those of each window go to their collector in order of time, and the segments are drafts: who said
    them is found out at the end.
    """

    path: Path
    plan: WindowPlan
    request: RecognitionRequest
    window_timeout_s: float
    rules: SegmentRules = field(default_factory=SegmentRules)
    limits: GuardLimits = field(default_factory=GuardLimits)
    resume: Checkpoint | None = None
    watch: LanguageWatch | None = None
    known: Mapping[Frame, WindowResult] = field(default_factory=dict)
    diarization: Diarization = field(default=Diarization())
    voices: Voices | None = None
    formatter: SegmentFormatter = field(default_factory=lambda: Formatter(Formatting()))
    formats_slowly: bool = False  # so that others would notice

    @property
    def signature(self) -> str:
        return signature(self.request, self.plan, self.voices)

    def channel_labels(self, count: int) -> tuple[str, ...]:
        """Of the channels of a file; none where they are mixed. Labels behind its last channel are nobody's."""
        return tuple(map(self.diarization.channel_label, range(count))) if self.plan.per_channel else ()

    def channel_label(self, channel: int) -> str:
        """Empty where the channels are mixed."""
        return self.diarization.channel_label(channel) if self.plan.per_channel else ""


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
        summary = reader.result()
        info = run.memory.facts.info(summary, model=recording.request.model, language=recording.request.language)
        return replace(
            info,
            channels=recording.channel_labels(summary.channels),
            warnings=(*info.warnings, *recording.formatter.warnings()),
        )


class _Run:
    """The state of one recording. `_line` carries windows from reader to emitter in order of time."""

    def __init__(
        self, engine: Engine, recording: Recording, engines: EngineSource, sink: TranscriptSink, max_ahead: int
    ) -> None:
        channels = Channels(recording.rules, recording.limits, several=recording.plan.per_channel)
        self.memory: Final = Memory(recording.signature, channels, recording.voices)
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
        before: dict[int, Window] = {}  # on each channel, the last one
        async for item in items:
            match item:
                case Window():
                    if item.index >= self._first_window:
                        await self._start(item, before.get(item.channel), tasks)
                    if self._recording.watch:
                        before[item.channel] = item
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

    async def _recognise(self, window: Window, before: Window | None) -> Heard:
        """Words and voices at the same time: for both together the window holds one engine."""
        if self._recording.voices is None:
            return self._as_heard(window, await self._understand(window, before)), None
        async with asyncio.TaskGroup() as both:
            voices = both.create_task(self._tell_voices(window, self._recording.voices))
            result = await self._understand(window, before)
        return self._as_heard(window, result), voices.result()

    def _as_heard(self, window: Window, result: WindowResult) -> WindowResult:
        label = self._recording.channel_label(window.channel)
        return replace(result, words=as_heard(window.audio, result.words, channel=label))

    async def _tell_voices(self, window: Window, asked: Voices) -> WindowVoices:
        recording = self._recording
        voices = await self._engine.voices(
            window.audio,
            asked.model,
            revision=asked.revision,
            interactive=recording.request.interactive,
            timeout_s=recording.window_timeout_s,
        )
        return own_voices(voices, Frame.of(window))

    async def _understand(self, window: Window, before: Window | None) -> WindowResult:
        known = self._recording.known.get(Frame.of(window))
        result = await self._hear(window.audio) if known is None else known
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
        with self.memory.step():
            segments = await self._write(self.memory.channels.finish())
        await self._send(segments)

    async def _place(self, frame: Frame, heard: Heard) -> None:
        self._sink.recognised(frame)
        # Nothing is awaited between the end of the step and the moment at which the sink has its segments.
        with self.memory.step():
            segments = await self._take_in(frame, *heard)
        await self._send(segments)
        await self._sink.progress(done_samples=frame.keep_end_samples, total_samples=self._total_samples)

    async def _take_in(self, frame: Frame, result: WindowResult, voices: WindowVoices | None) -> Sequence[Segment]:
        memory, watch = self.memory, self._recording.watch
        if watch and watch.has_drifted(result):
            memory.facts.note(frame, (Oddity.LANGUAGE_DRIFT,))
        if watch and result.language == UNDETERMINED and (language := memory.facts.language_on(frame.channel)):
            result = in_language(result, language, 0.0)
        memory.facts.vote(frame, result)
        if memory.voices and voices:
            await asyncio.to_thread(memory.voices.collector.add, frame.start_samples, voices)
        verdict = memory.channels.inspect(frame, result)
        memory.facts.note(frame, verdict.oddities)
        memory.windows += 1
        return await self._write(memory.channels.feed(frame, verdict))

    async def _write(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """As the text stage has them, numbered, with the label of their channel."""
        is_slow = self._recording.formats_slowly and segments
        formatted = await asyncio.to_thread(self._formatted, segments) if is_slow else self._formatted(segments)
        is_final = self._recording.voices is None
        first = self.memory.segments
        self.memory.segments += len(formatted)
        return [replace(segment, index=index, final=is_final) for index, segment in enumerate(formatted, first)]

    def _formatted(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        return [written for segment in segments if (written := self._recording.formatter.format(segment))]

    async def _send(self, segments: Sequence[Segment]) -> None:
        if segments:
            await self._sink.segments(segments)


def _first_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, BaseExceptionGroup) else first
