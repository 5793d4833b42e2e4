"""Proof: where nobody pauses, no word is lost or said twice at the seams between chunks.

    python -m tests.proofs.context_chunks

Nineteen minutes of reading, of which twelve are left without their pauses, are recognised by the default model in
chunks of 20 s with 5 s of speech before and 3 s behind, and joined by the stitcher. Around each seam the same speech
is recognised in one window that has the seam in its middle. A word of that window is lost where the joined text
neither says it nor anything at its time; doubled is what the joined text says more often than the window or a chunk.
For comparison the same for chunks that are cut by the time of the words alone. Exit status 1 when anything is lost or
doubled.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ as HZ
from stenod_models.contract import RecognitionOptions
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_server.domain.transcript import Word
from stenod_server.recognition.stitch import Frame, Stitcher
from tests.support.models import build_models, load_default_model, read_audio
from tests.support.speech import recordings

CHUNK, LEFT, RIGHT = 20 * HZ, 5 * HZ, 3 * HZ
AROUND = 6 * HZ  # of a seam, for the window that has none
NEAR, NEARLY = 2 * HZ, 3 * HZ  # a word near a seam for one may be a little farther for another
SLACK = HZ // 10  # two hearings of a word are that far apart, and it is still the same place
FRAME = HZ // 50
QUIET_RATIO = 0.08  # of the loud level
SHORTEST_PAUSE = 3  # frames

Audio = npt.NDArray[np.int16]


@dataclass(slots=True)
class Faults:
    lost: list[str]
    doubled: list[str]


def without_pauses(audio: Audio) -> Audio:
    """Only what is loud, and what is quiet for less than 60 ms."""
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt((frames.astype(np.float32) ** 2).mean(axis=1))
    loud = levels > QUIET_RATIO * np.percentile(levels, 95)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], loud, [1]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        loud[begin:end] = end - begin < SHORTEST_PAUSE
    kept: Audio = frames[loud].reshape(-1)
    return kept


def chunks(end: int) -> Iterator[Frame]:
    """As the segmenter cuts where nobody pauses."""
    for index, start in enumerate(range(0, end, CHUNK)):
        keep_end = min(start + CHUNK, end)
        yield Frame(index, max(0, start - LEFT), min(keep_end + RIGHT, end), start, keep_end)


def heard(recogniser: MoonshineRecogniser, audio: Audio, begin: int, end: int) -> list[Word]:
    """The words of one window, in samples of the window."""
    (result,) = recogniser.recognise([audio[begin:end]], language="en", options=RecognitionOptions())
    words = result.words if result else ()
    return [Word(word.text, word.start_samples, word.end_samples, word.confidence, "en") for word in words]


def moved(words: Iterable[Word], offset: int) -> list[Word]:
    return [
        replace(word, start_samples=word.start_samples + offset, end_samples=word.end_samples + offset)
        for word in words
    ]


def said(words: Iterable[Word], seam: int, reach: int) -> Counter[str]:
    near = (word for word in words if abs(word.start_samples + word.end_samples - 2 * seam) < 2 * reach)
    return Counter(plain(word) for word in near)


def plain(word: Word) -> str:
    return "".join(filter(str.isalnum, word.text)).lower()


def faults_at(seam: int, joined: Sequence[Word], one_pass: Sequence[Word], neighbours: Sequence[list[Word]]) -> Faults:
    """What is heard differently is neither lost nor doubled: a word in its place is enough."""
    places = [(word.start_samples - SLACK, word.end_samples + SLACK) for word in joined]
    near = said(joined, seam, NEARLY)
    lost = []
    for word in one_pass:
        middle = (word.start_samples + word.end_samples) // 2
        is_covered = any(begin <= middle <= end for begin, end in places)
        if abs(middle - seam) < NEAR and not is_covered and plain(word) not in near:
            lost.append(plain(word))
    possible = [said(hearing, seam, NEARLY) for hearing in (one_pass, *neighbours)]
    doubled = said(joined, seam, NEAR) - (possible[0] | possible[1] | possible[2])
    return Faults(lost, [*doubled.elements()])


def main() -> int:
    recogniser = load_default_model(build_models())
    audio = without_pauses(np.concatenate([read_audio(recording.path) for recording in recordings("long")]))
    frames = list(chunks(len(audio)))
    hearings, joined, by_time = [], [], []
    stitcher = Stitcher()
    for done, frame in enumerate(frames, start=1):
        words = heard(recogniser, audio, frame.start_samples, frame.end_samples)
        hearings.append(moved(words, frame.start_samples))
        joined += stitcher.place(frame, words)
        middles = range(2 * frame.keep_start_samples, 2 * frame.keep_end_samples)
        by_time += [word for word in hearings[-1] if word.start_samples + word.end_samples in middles]
        print(f"\r{done} of {len(frames)} chunks", end="", file=sys.stderr, flush=True)
    found: dict[str, list[Faults]] = {"joined by words": [], "cut by time": []}
    for left, right, frame in zip(hearings, hearings[1:], frames, strict=False):
        seam = frame.keep_end_samples
        begin, end = max(0, seam - AROUND), min(len(audio), seam + AROUND)
        one_pass = moved(heard(recogniser, audio, begin, end), begin)
        found["joined by words"].append(faults_at(seam, joined, one_pass, [left, right]))
        found["cut by time"].append(faults_at(seam, by_time, one_pass, [left, right]))
    print(f"\r{len(audio) / HZ / 60:.1f} min of speech without a pause, {len(joined)} words, {len(frames) - 1} seams")
    for name, faults in found.items():
        lost = [word for one in faults for word in one.lost]
        doubled = [word for one in faults for word in one.doubled]
        print(f"{name}: {len(lost)} lost {' '.join(lost)}, {len(doubled)} doubled {' '.join(doubled)}")
    return 1 if any(one.lost or one.doubled for one in found["joined by words"]) else 0


if __name__ == "__main__":
    sys.exit(main())
