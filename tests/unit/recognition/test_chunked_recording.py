"""A recording without a pause through the pipeline: whatever window comes back first, and wherever one goes on."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.decoding import Decoding
from stenod_server.domain.job import Checkpoint
from stenod_server.domain.transcript import Segment, Word
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import Int16Audio, RecognitionRequest, Window, WindowPlan, WindowResult
from stenod_server.recognition.memory import fits
from stenod_server.recognition.pipeline import Pipeline, Recording
from stenod_server.recognition.stitch import Frame
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.recognition.test_context_chunks import COMMON, chunks, heard, plain, speech
from tests.unit.recognition.test_pipeline import CountedEngines

VOCABULARY = [*COMMON, *(f"word{n}" for n in range(100))]


class Hears(FakeEngine):
    """An `Engine` that hears the words of a window, which its first sample names, sooner or later."""

    def __init__(self, words: Sequence[Word], frames: Sequence[Frame], patience: random.Random | None) -> None:
        super().__init__()
        self._words = words
        self._frames = frames
        self._patience = patience
        self.order: list[int] = []

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        del request, timeout_s
        frame = self._frames[int(audio[0])]
        for _ in range(self._patience.randrange(40) if self._patience else 0):
            await asyncio.sleep(0)
        self.order.append(frame.index)
        start = frame.start_samples
        words = [
            replace(word, start_samples=word.start_samples - start, end_samples=word.end_samples - start)
            for word in heard(self._words, frame, random.Random(frame.index), 0.1)
        ]
        return WindowResult(tuple(words), "en", 1.0, 0.0)


class Sink:
    """Keeps what was given, and with how much of it one could go on at each window."""

    def __init__(self) -> None:
        self.got: list[Segment] = []
        self.places: list[tuple[Checkpoint, list[Segment]]] = []

    def follow(self, checkpoint: Callable[[], Checkpoint | None]) -> None:
        self._checkpoint = checkpoint

    def recognised(self, frame: Frame) -> None: ...

    async def progress(self, *, done_samples: int, total_samples: int) -> None:
        del done_samples, total_samples
        if (checkpoint := self._checkpoint()) is not None:
            self.places.append((checkpoint, [*self.got]))

    async def segments(self, segments: Sequence[Segment]) -> None:
        self.got += segments


def recording(resume: Checkpoint | None = None, chunk_lengths: ChunkLengths | None = None) -> Recording:
    plan = WindowPlan(15 * HZ, 30 * HZ, chunks=chunk_lengths or ChunkLengths())
    request = RecognitionRequest("fake")
    return Recording(path=Path("a.wav"), plan=plan, request=request, window_timeout_s=5.0, resume=resume)


async def transcribe(engine: Hears, frames: Sequence[Frame], engines: int, resume: Checkpoint | None = None) -> Sink:
    windows = [
        Window(
            frame.index,
            frame.start_samples,
            np.full(frame.end_samples - frame.start_samples, frame.index, np.int16),
            frame.keep_start_samples,
            frame.keep_end_samples,
        )
        for frame in frames
    ]
    sink = Sink()
    await Pipeline(engine, ScriptedFrontEnd(windows)).transcribe(recording(resume), CountedEngines(engines), sink)
    return sink


def words_of(segments: Sequence[Segment]) -> list[Word]:
    return [word for segment in segments for word in segment.words]


@pytest.mark.parametrize("seed", range(3))
async def test_the_words_are_the_same_in_any_order_and_behind_any_checkpoint(seed: int) -> None:
    words = speech(seed, 130, VOCABULARY)
    frames = list(chunks(words[-1].end_samples))
    late = Hears(words, frames, random.Random(seed))
    sink = await transcribe(late, frames, engines=5)
    assert late.order != sorted(late.order)
    assert plain(words_of(sink.got)) == plain(words)
    assert (await transcribe(Hears(words, frames, None), frames, engines=1)).got == sink.got
    for checkpoint, given in sink.places:
        rest = await transcribe(Hears(words, frames, random.Random(seed + 1)), frames, engines=4, resume=checkpoint)
        assert [*given, *rest.got] == sink.got


async def test_a_checkpoint_fits_no_other_chunks_and_no_other_wishes() -> None:
    words = speech(0, 30, VOCABULARY)
    frames = list(chunks(words[-1].end_samples))
    checkpoint = (await transcribe(Hears(words, frames, None), frames, engines=1)).places[0][0]
    assert fits(checkpoint, recording().signature)
    assert not fits(checkpoint, recording(chunk_lengths=ChunkLengths(left_samples=HZ)).signature)
    with_beam = replace(recording(), request=RecognitionRequest("fake", decoding=Decoding(beam_size=5)))
    assert not fits(checkpoint, with_beam.signature)
