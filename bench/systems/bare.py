"""The bare loop: the service's own windows and recogniser at the same batching, without Triton and without the service.

    files ──► producers (decode, find speech, cut) ──► windows ──► recognisers (one process an instance) ──► words

A recogniser takes the windows that wait, up to a batch, as Triton's dynamic batching does; or, where its batch stays
open, wherever there is room.
"""

import multiprocessing
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any, Final, Self

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from bench.protocol import JOINED, Clip, Report, Request, Word, serve
from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.registry import load_recogniser
from stenod_models.recogniser import OpenRecogniser, RecognisedWord, Recogniser, Recognition
from stenod_server.audio.front_end import recording
from stenod_server.audio.vad import Silero
from stenod_server.domain.audio import to_seconds
from stenod_server.domain.transcript import Word as PlacedWord
from stenod_server.ports import Window, WindowPlan
from stenod_server.recognition.stitch import Frame, Stitcher

CLIPS, LONG, READY_WINDOWS, WORDS = "clips", "long", "ready_windows", "words"
SINGLE_RECOGNITION: Final = "single_recognition_s"
_SINGLE_REPEATS: Final = 10
_QUEUE_WINDOWS: Final = 64
_ANSWER_S: Final = 300.0

Queue = Any  # multiprocessing.Queue is no type at run time


@dataclass(frozen=True, slots=True)
class Models:
    """Where the recogniser and the voice activity detector are."""

    models_dir: Path
    name: str

    @property
    def entry(self) -> Path:
        return self.models_dir / self.name

    @property
    def vad(self) -> Path:
        return self.models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx"


@dataclass(frozen=True, slots=True)
class Batching:
    """How Triton is told to batch: `gather_s` is how long a batch waits to fill, `threads` are those of an instance."""

    profile: Profile
    instances: int
    threads: int
    gather_s: float

    @classmethod
    def of(cls, entry: Path) -> Self:
        path = entry / "config.pbtxt"
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
        return cls(
            profile=profile_of(path),
            instances=config.instance_group[0].count,
            threads=int(config.parameters["threads"].string_value),
            gather_s=config.dynamic_batching.max_queue_delay_microseconds / 1e6,
        )


@dataclass(frozen=True, slots=True)
class FileDone:
    clip_id: str
    windows: int


@dataclass(frozen=True, slots=True)
class Recognised:
    """`batch_s` is the time of the whole batch that the window was in, or, where it was open, of the window."""

    clip_id: str
    frame: Frame
    words: tuple[RecognisedWord, ...]
    batch_s: float


def produce(models: Models, files: Queue, windows: Queue, results: Queue) -> None:
    """A process: files in, windows out. None ends it."""
    model = Silero(models.vad)
    profile = Batching.of(models.entry).profile
    while (clip := files.get()) is not None:
        found = 0
        for window in windows_of(clip, profile, model):
            windows.put((clip.id, window))
            found += 1
        results.put(FileDone(clip.id, found))


def windows_of(clip: Clip, profile: Profile, model: Silero) -> Iterable[Window]:
    plan = WindowPlan(profile.window_target_samples, profile.window_max_samples)
    return (item for item in recording(Path(clip.path), plan, model) if isinstance(item, Window))


def recognise(entry: Path, windows: Queue, results: Queue) -> None:
    """A process: windows in, words out. None ends it; it says None when it is warm."""
    batching = Batching.of(entry)
    recogniser = load_recogniser(batching.profile, entry / "1", threads=batching.threads)
    recogniser.warm()
    results.put(None)
    if isinstance(recogniser, OpenRecogniser):
        _recognise_open(recogniser, windows, results)
    else:
        _recognise_batches(recogniser, batching, windows, results)


def _recognise_open(recogniser: OpenRecogniser, windows: Queue, results: Queue) -> None:
    while (first := windows.get()) is not None:
        waiting = [first]

        def following(waiting: list[tuple[str, Window]] = waiting) -> "_Taken | None":
            with suppress(Empty):
                item = waiting.pop() if waiting else windows.get_nowait()
                if item is not None:
                    clip_id, window = item
                    return _Taken(clip_id, window, results)
                windows.put(None)  # for the next call
            return None

        recogniser.recognise_open(following)


class _Taken:
    """A window of an open batch."""

    def __init__(self, clip_id: str, window: Window, results: Queue) -> None:
        self.audio = window.audio
        self._clip_id, self._frame, self._results = clip_id, Frame.of(window), results
        self._begun = time.perf_counter()

    def is_cancelled(self) -> bool:
        return False

    def answer(self, result: Recognition | None) -> None:
        words = result.words if result else ()
        self._results.put(Recognised(self._clip_id, self._frame, words, time.perf_counter() - self._begun))


def _recognise_batches(recogniser: Recogniser, batching: Batching, windows: Queue, results: Queue) -> None:
    while (batch := _next_batch(windows, batching)) is not None:
        begun = time.perf_counter()
        found = recogniser.recognise(
            [window.audio for _clip_id, window in batch], language="en", options=RecognitionOptions()
        )
        batch_s = time.perf_counter() - begun
        for (clip_id, window), result in zip(batch, found, strict=True):
            results.put(Recognised(clip_id, Frame.of(window), result.words if result else (), batch_s))


def _next_batch(windows: Queue, batching: Batching) -> list[tuple[str, Window]] | None:
    first = windows.get()
    if first is None:
        return None
    batch = [first]
    with suppress(Empty):
        while len(batch) < batching.profile.max_batch_size:
            following = windows.get(timeout=batching.gather_s)
            if following is None:
                windows.put(None)  # for the next call
                break
            batch.append(following)
    return batch


class BareLoop:
    def __init__(self, models: Models, producers: int) -> None:
        """Starts every process; returns when all recognisers are warm."""
        batching = Batching.of(models.entry)
        self.profile = batching.profile
        self.speech_model = Silero(models.vad)
        spawn = multiprocessing.get_context("spawn")
        self._files, self._results = spawn.Queue(), spawn.Queue()
        self._windows = spawn.Queue(_QUEUE_WINDOWS)
        self._processes: list[BaseProcess] = [
            spawn.Process(target=produce, args=(models, self._files, self._windows, self._results), daemon=True)
            for _ in range(producers)
        ]
        self._processes += [
            spawn.Process(target=recognise, args=(models.entry, self._windows, self._results), daemon=True)
            for _ in range(batching.instances)
        ]
        for process in self._processes:
            process.start()
        for _ in range(batching.instances):
            self._results.get(timeout=_ANSWER_S)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def transcribe(self, clips: Sequence[Clip]) -> dict[str, list[Recognised]]:
        """Decode, cut and recognise; the windows of each clip in order."""
        for clip in clips:
            self._files.put(clip)
        return self._collect({clip.id: None for clip in clips})

    def recognise(self, windows: Sequence[tuple[str, Window]]) -> dict[str, list[Recognised]]:
        """Recognise windows that are cut already."""
        expected: dict[str, int | None] = {}
        for clip_id, _window in windows:
            expected[clip_id] = (expected.get(clip_id) or 0) + 1
        for item in windows:
            self._windows.put(item)
        return self._collect(expected)

    def _collect(self, expected: dict[str, int | None]) -> dict[str, list[Recognised]]:
        found: dict[str, list[Recognised]] = {clip_id: [] for clip_id in expected}
        while any(count is None or len(found[clip_id]) < count for clip_id, count in expected.items()):
            result = self._results.get(timeout=_ANSWER_S)
            if isinstance(result, FileDone):
                expected[result.clip_id] = result.windows
            else:
                found[result.clip_id].append(result)
        return {clip_id: sorted(windows, key=lambda one: one.frame.index) for clip_id, windows in found.items()}


def words_of(windows: Sequence[Recognised]) -> list[Word]:
    """The words of a recording; those of a window's context are left to the neighbour, as the service does."""
    stitcher = Stitcher()
    words = []
    for window in windows:
        heard = [PlacedWord(word.text, word.start_samples, word.end_samples, word.confidence) for word in window.words]
        placed = stitcher.place(window.frame, heard)
        stitcher.feed(window.frame, placed)
        words += [Word(word.text, to_seconds(word.start_samples), to_seconds(word.end_samples)) for word in placed]
    return words


def text_of(windows: Sequence[Recognised]) -> str:
    return " ".join(word.text for word in words_of(windows))


def run(request: Request, report: Report) -> None:
    loop = BareLoop(Models(Path(request.models_dir), request.model), producers=request.threads)
    try:
        loop.transcribe([request.single])
        report.ready({name: version(name) for name in ("stenod", "onnxruntime", "av")})
        loop.transcribe(request.warm_up)
        if LONG in request.scenarios:
            loop.transcribe([request.joined])
        if CLIPS in request.scenarios:
            for run in report.repeated(CLIPS):
                with run as texts:
                    texts.update({clip_id: text_of(found) for clip_id, found in loop.transcribe(request.clips).items()})
        if LONG in request.scenarios:
            for run in report.repeated(LONG):
                with run as texts:
                    texts[JOINED] = text_of(loop.transcribe([request.joined])[JOINED])
        if READY_WINDOWS in request.scenarios:
            _measure_ready_windows(loop, request, report)
            _time_single(loop, request, report)
        if WORDS in request.scenarios:
            for clip_id, found in loop.transcribe(request.clips).items():
                report.words(clip_id, words_of(found))
    finally:
        loop.close()


def _measure_ready_windows(loop: BareLoop, request: Request, report: Report) -> None:
    windows = [
        (clip.id, window) for clip in request.clips for window in windows_of(clip, loop.profile, loop.speech_model)
    ]
    for run in report.repeated(READY_WINDOWS):
        with run as texts:
            texts.update({clip_id: text_of(found) for clip_id, found in loop.recognise(windows).items()})


def _time_single(loop: BareLoop, request: Request, report: Report) -> None:
    """The single clip's recognition alone: its windows one by one on one recogniser."""
    windows = list(windows_of(request.single, loop.profile, loop.speech_model))
    for _ in range(_SINGLE_REPEATS):
        total_s = 0.0
        for window in windows:
            found = loop.recognise([(request.single.id, replace(window, index=0))])
            total_s += found[request.single.id][0].batch_s
        report.figure(SINGLE_RECOGNITION, total_s)


if __name__ == "__main__":
    serve(run)
