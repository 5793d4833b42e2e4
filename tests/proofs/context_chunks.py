"""Proof: where nobody pauses, no word is lost or said twice at the seams between windows.

    python -m tests.proofs.context_chunks [--minutes 20]

Recordings of the speech set, one behind the other, with every pause cut out, go through a whole service: front end,
segmenter, the default model in its Triton, stitcher; once as it is, and once with windows that have no context
(`chunk_left_s` and `chunk_right_s` 0). For comparison, the windows with context are also joined by the times of the
words alone. Around each seam the same speech is recognised in one window that has the seam in its middle, and the two
are aligned. Lost is a word of that window that is missing, with nothing at its time; doubled is one that is added, and
that the transcript says more often within a second than that window or either of the two that meet there.

Prints the peak memory for half of the speech, which gives each engine a window, and for all of it. Exit status 1 when
anything is lost or doubled with context, when nothing is in the other two (then the proof is blind), or when memory
grows.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
import psutil
from rich.console import Console
from rich.progress import track

import stenod
from stenod_models.contract import SAMPLE_RATE_HZ as HZ
from stenod_models.contract import RecognitionOptions
from stenod_models.recogniser import Recogniser
from stenod_server.audio.front_end import recording
from stenod_server.audio.vad import FRAME_SAMPLES, Silero
from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.transcript import Word
from stenod_server.ports import Window, WindowPlan
from tests.proofs.memory import ALLOWED_RATIO, MIB, Peak, watch
from tests.support.models import VAD_MODEL, build_models, load_default_model, read_audio
from tests.support.server import serving
from tests.support.speech import recordings
from tests.support.waves import write_wav

CONTEXT = ChunkLengths()
NO_CONTEXT = ChunkLengths(left_samples=0, right_samples=0)
KINDS = ("long", "read_en", "read_en_1min", "spont_en")
AROUND = 6 * HZ  # of a seam, for the window that has none
NEAR, NEARLY = 2 * HZ, 3 * HZ  # a word near a seam for one may be a little farther for another
CLOSE, CLOSELY = HZ, 3 * HZ // 2  # two hearings of one word, for one and for another
SLACK = HZ // 10  # two hearings of a word are that far apart, and it is still the same place
FRAME = HZ // 50
QUIET_RATIO = 0.08  # of the loud level
SHORTEST_PAUSE = 3  # frames
SPEECH_PROBABILITY = 0.5

Audio = npt.NDArray[np.int16]
Hear = Callable[[int, int], list[Word]]  # [begin, end) → the words of one window, in samples of the recording


@dataclass(frozen=True, slots=True)
class Faults:
    """Words at one seam."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One way to cut, through a service of its own."""

    words: list[Word]
    peak: Peak


def without_pauses(audio: Audio, vad: Silero) -> Audio:
    """Only what is loud and what is quiet for less than 60 ms, of what Silero takes for speech."""
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt((frames.astype(np.float32) ** 2).mean(axis=1))
    loud = levels > QUIET_RATIO * np.percentile(levels, 95)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], loud, [1]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        loud[begin:end] = end - begin < SHORTEST_PAUSE
    kept: Audio = frames[loud].reshape(-1)
    probabilities = vad.probabilities(kept)
    is_speech = np.repeat(probabilities >= SPEECH_PROBABILITY, FRAME_SAMPLES)
    return kept[: len(is_speech)][is_speech]


def pauseless_speech(vad: Silero, *kinds: str) -> Audio:
    return np.concatenate([without_pauses(read_audio(one.path), vad) for one in recordings(*kinds)])


def load_vad(models_dir: Path) -> Silero:
    return Silero(models_dir / VAD_MODEL / "1" / "silero_vad_sequence.onnx")


def windows_of(path: Path, plan: WindowPlan, vad: Silero) -> list[Window]:
    return [item for item in recording(path, plan, vad) if isinstance(item, Window)]


def hearing(recogniser: Recogniser, audio: Audio) -> Hear:
    def hear(begin: int, end: int) -> list[Word]:
        first = max(0, begin)
        (result,) = recogniser.recognise([audio[first:end]], language="en", options=RecognitionOptions())
        return [
            Word(word.text, first + word.start_samples, first + word.end_samples, word.confidence, "en")
            for word in (result.words if result else ())
        ]

    return hear


def seams_of(windows: Sequence[Window]) -> Iterator[tuple[int, Window, Window]]:
    """Where one window goes over into the next without a pause between them."""
    for left, right in pairwise(windows):
        if left.keep_end_samples == right.keep_start_samples:
            yield left.keep_end_samples, left, right


def near(words: Iterable[Word], seam: int, reach: int) -> list[Word]:
    return [word for word in words if abs(middle(word) - seam) < reach]


def plain(word: Word) -> str:
    return "".join(filter(str.isalnum, word.text)).lower() or "-"


def faults_at(seam: int, words: Sequence[Word], hear: Hear, neighbours: Sequence[tuple[int, int]]) -> Faults:
    """What is heard differently is neither lost nor doubled. `neighbours` are the windows that meet here."""
    said, one_pass = near(words, seam, NEARLY), near(hear(seam - AROUND, seam + AROUND), seam, NEARLY)
    missing, added = unpaired(one_pass, said)
    lost = [word for word in near(missing, seam, NEAR) if not any(is_at(word, other) for other in said)]
    echoing = [word for word in near(added, seam, NEAR) if echoes(word, said, CLOSE) > echoes(word, one_pass, CLOSELY)]
    windows = [hear(begin, end) for begin, end in neighbours] if echoing else []
    # A window that says a word twice by itself is not the seam's fault.
    doubled = [
        word for word in echoing if all(echoes(word, said, CLOSE) > echoes(word, one, CLOSELY) for one in windows)
    ]
    return Faults(tuple(map(plain, lost)), tuple(map(plain, doubled)))


def echoes(word: Word, words: Iterable[Word], reach: int) -> int:
    """How often it is said around its place."""
    return sum(plain(word) == plain(other) for other in near(words, middle(word), reach))


def unpaired(expected: Sequence[Word], got: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """What is missing and what was added, where as few words as can be differ."""
    if not expected or not got:
        return [*expected], [*got]
    reference, hypothesis = (" ".join(map(plain, words)) for words in (expected, got))
    missing: list[Word] = []
    added: list[Word] = []
    for chunk in jiwer.process_words(reference, hypothesis).alignments[0]:
        if chunk.type == "delete":
            missing += expected[chunk.ref_start_idx : chunk.ref_end_idx]
        if chunk.type == "insert":
            added += got[chunk.hyp_start_idx : chunk.hyp_end_idx]
    return missing, added


def is_at(word: Word, other: Word) -> bool:
    """Whether the other lies where the middle of the word is."""
    return other.start_samples - SLACK <= middle(word) <= other.end_samples + SLACK


def middle(word: Word) -> int:
    return (word.start_samples + word.end_samples) // 2


def judged(words: Sequence[Word], windows: Sequence[Window], hear: Hear) -> list[Faults]:
    """At every seam."""
    return [
        faults_at(seam, words, hear, [(one.start_samples, one.end_samples) for one in (left, right)])
        for seam, left, right in track([*seams_of(windows)], "judging", console=Console(stderr=True), transient=True)
    ]


def by_time(windows: Iterable[Window], hear: Hear) -> list[Word]:
    """What would come out if each window gave what lies between its seams."""
    return [
        word
        for window in windows
        for word in hear(window.start_samples, window.end_samples)
        if window.keep_start_samples <= middle(word) < window.keep_end_samples
    ]


async def through_service(path: Path, models_dir: Path, directory: Path, chunks: ChunkLengths) -> Run:
    """On a fresh server that is told how long its chunks are."""
    peak = Peak()
    options = [f"--chunk-left-s={chunks.left_samples / HZ}", f"--chunk-right-s={chunks.right_samples / HZ}"]
    async with serving(directory, *options, models_dir=models_dir) as server, stenod.Client(server.address) as client:
        watching = asyncio.create_task(watch(psutil.Process(server.process.pid), peak))
        transcript = await client.transcribe(path)
        watching.cancel()
    words = [
        Word(word.text, round(word.start_s * HZ), round(word.end_s * HZ), word.confidence, "en")
        for word in transcript.words
    ]
    return Run(words, peak)


def show(name: str, windows: Sequence[Window], faults: Sequence[Faults]) -> int:
    """Prints a line; the number of words that are lost or doubled."""
    lost = [word for one in faults for word in one.lost]
    doubled = [word for one in faults for word in one.doubled]
    heard = sum(len(window.audio) for window in windows)
    kept = sum(window.keep_end_samples - window.keep_start_samples for window in windows)
    print(
        f"{name:16} {len(windows):4} windows, {len(faults):3} seams, {heard / kept:.2f} x the speech heard: "
        f"{len(lost)} lost {' '.join(lost)}, {len(doubled)} doubled {' '.join(doubled)}"
    )
    return len(lost) + len(doubled)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="at most, of speech without pauses")
    arguments = parser.parse_args()
    models_dir = build_models()
    recogniser, vad = load_default_model(models_dir), load_vad(models_dir)
    audio = pauseless_speech(vad, *KINDS)[: round(arguments.minutes * 60 * HZ)]
    lengths = recogniser.profile.window_target_samples, recogniser.profile.window_max_samples
    print(f"{len(audio) / HZ / 60:.1f} min of speech without a pause")
    found, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        half = write_wav(directory / "half.wav", audio[: len(audio) // 2])
        peaks.append((await through_service(half, models_dir, directory / "half", CONTEXT)).peak)
        whole = write_wav(directory / "whole.wav", audio)
        for chunks in (CONTEXT, NO_CONTEXT):
            run = await through_service(whole, models_dir, directory / f"node{chunks.left_samples}", chunks)
            windows = windows_of(whole, WindowPlan(*lengths, chunks=chunks), vad)
            hear = hearing(recogniser, audio)
            name = "with context" if chunks == CONTEXT else "without context"
            found.append(show(name, windows, judged(run.words, windows, hear)))
            if chunks == CONTEXT:
                found.append(show("joined by time", windows, judged(by_time(windows, hear), windows, hear)))
            peaks.append(run.peak)
    ratio = peaks[1].server / peaks[0].server
    print(
        f"peak of the server with its audio workers: {peaks[0].server / MIB:.0f} MiB for half, "
        f"{peaks[1].server / MIB:.0f} MiB for all: {ratio:.3f} (allowed: {ALLOWED_RATIO})"
    )
    return 0 if found[0] == 0 < min(found[1:]) and ratio <= ALLOWED_RATIO else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
