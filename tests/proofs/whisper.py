"""Proof: through the whole service, Whisper base says what faster-whisper says, and tells the language.

    python -m tests.proofs.whisper [--every N] [--precision fp32]

The published weights are imported from CTranslate2 and served by a node with its own Triton; all English read and
spontaneous speech and all of the other languages of the speech set go through jobs over gRPC. faster-whisper, with the
same weights in 32 bits, recognises the same recordings in the same run: greedily, with the same fallback by
temperature, once the windows that the service makes of them, once the files as it cuts and pads them itself. Whisper's
own normalisation, the English one for English. One in four English recordings, and all others, are `language: auto`.

Prints a table per language. Exit status 1 where the English word error rate differs from that of faster-whisper by more
than 0.3 points either way, fewer than 98 % of the other words agree on the same windows, or a language is told worse.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from stenod_models.export.build_request import BuildRequest
from stenod_models.export.catalogue import add
from stenod_models.export.pbtxt import profile_of
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.ports import Window, WindowPlan
from tests.support.faster_whisper import FasterWhisper, faster_whisper
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speech import Recording, english_with_text, recordings
from tests.support.whisper_weights import fetch_whisper_base

MODEL = "whisper-base"
ENGLISH = "en"
ALLOWED_POINTS = 0.3
LEAST_AGREEMENT_PERCENT = 98.0
LISTENED_TO = 4  # one English recording in so many names no language
SIDE_BY_SIDE = 2


@dataclass(frozen=True, slots=True)
class Case:
    recording: Recording
    is_auto: bool

    @property
    def language(self) -> str:
        return str(self.recording.fields["language"])


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a recording: by the service, and by faster-whisper in its windows and in the whole file.

    `peer_language` is what faster-whisper takes the first window for; empty where the service was told the language.
    """

    case: Case
    service: str
    service_language: str
    windows: str
    file: str
    peer_language: str


@dataclass(frozen=True, slots=True)
class Row:
    """Word error rates against the reference, in percent; `agreement_percent` is 100 less that of the service against
    faster-whisper on the same windows.
    """

    name: str
    recordings: int
    words: int
    service: float
    windows: float
    file: float
    agreement_percent: float

    def __str__(self) -> str:
        rates = f"{self.service:9.2f} {self.windows:13.2f} {self.file:11.2f} {self.agreement_percent:15.2f}"
        return f"{self.name:12} {self.recordings:10} {self.words:6} {rates}"


HEADER = f"{'':12} recordings  words   service  same windows whole files     agreement %"


@dataclass(frozen=True, slots=True)
class Languages:
    """How often the language was told right, where none was named."""

    asked: int
    service: int
    peer: int


def cases(every: int) -> list[Case]:
    english = english_with_text()[::every]
    others = [one for one in recordings("multilingual") if one.text][::every]
    return [
        *(Case(one, is_auto=place % LISTENED_TO == 0) for place, one in enumerate(english)),
        *(Case(one, is_auto=True) for one in others),
    ]


def build(models_dir: Path, precision: str) -> None:
    """Whisper base beside the models that every server needs."""
    shutil.copytree(build_models(), models_dir)
    request = BuildRequest(source=str(fetch_whisper_base()), precision=precision)
    add(MODEL, models_dir, request=request, progress=lambda phase, _done: tell(phase))


def tell(progress: str) -> None:
    print(f"\r{progress:60}", end="", file=sys.stderr, flush=True)


async def served(root: Path, chosen: Sequence[Case]) -> list[stenod.Transcript]:
    room = asyncio.Semaphore(SIDE_BY_SIDE)
    done = 0

    async def transcribe(client: stenod.Client, case: Case) -> stenod.Transcript:
        nonlocal done
        async with room:
            found = await client.transcribe(case.recording.path, language="auto" if case.is_auto else case.language)
        done += 1
        tell(f"the service: {done} of {len(chosen)} recordings")
        return found

    async with (
        serving(root / "node", f"--model={MODEL}", models_dir=root / "models") as server,
        stenod.Client(server.address) as client,
    ):
        return await asyncio.gather(*(transcribe(client, case) for case in chosen))


async def cut(root: Path, chosen: Sequence[Case]) -> list[list[Path]]:
    """Files of the windows that the service makes of each recording."""
    profile = profile_of(root / "models" / MODEL / "config.pbtxt")
    plan = WindowPlan(profile.window_target_samples, profile.window_max_samples)
    vad = root / "models" / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = AudioWorkerPool(AudioPoolSettings(vad_path=vad))
    files = []
    try:
        for case in chosen:
            async with pool.windows(case.recording.path, plan) as items:
                windows = [item async for item in items if isinstance(item, Window)]
            files.append([_saved(root, case, window) for window in windows])
    finally:
        await pool.close()
    return files


def _saved(root: Path, case: Case, window: Window) -> Path:
    path = root / f"{case.recording.id}-{window.index}.npy"
    np.save(path, window.audio)
    return path


async def heard(peer: FasterWhisper, case: Case, transcript: stenod.Transcript, windows: Sequence[Path]) -> Heard:
    """faster-whisper is told the language that the service has found, so that the words can be compared."""
    language = transcript.language
    texts = [(await peer.hear(window, language)).text for window in windows]
    whole = await peer.hear(case.recording.path, language)
    told = (await peer.hear(windows[0])).language if case.is_auto else ""
    return Heard(case, transcript.text, language, " ".join(texts), whole.text, told)


def row(name: str, chosen: Sequence[Heard]) -> Row:
    normalised = [_normalised(one) for one in chosen]
    said, service, windows, file = (list(texts) for texts in zip(*normalised, strict=True))
    return Row(
        name,
        len(chosen),
        sum(len(text.split()) for text in said),
        100 * jiwer.wer(said, service),
        100 * jiwer.wer(said, windows),
        100 * jiwer.wer(said, file),
        100 * (1 - jiwer.wer(windows, service)),
    )


def _normalised(one: Heard) -> tuple[str, str, str, str]:
    normalise: Callable[[str], str] = EnglishTextNormalizer() if one.case.language == ENGLISH else BasicTextNormalizer()
    texts = (one.case.recording.text, one.service, one.windows, one.file)
    said, service, windows, file = (normalise(text) for text in texts)
    return said, service, windows, file


def languages(found: Sequence[Heard]) -> Languages:
    asked = [one for one in found if one.case.is_auto]
    return Languages(
        len(asked),
        sum(one.service_language == one.case.language for one in asked),
        sum(one.peer_language == one.case.language for one in asked),
    )


async def hear(root: Path, chosen: Sequence[Case], precision: str) -> list[Heard]:
    await asyncio.to_thread(build, root / "models", precision)
    transcripts = await served(root, chosen)
    files = await cut(root, chosen)
    idle: asyncio.Queue[FasterWhisper] = asyncio.Queue()
    done = 0

    async def listen(case: Case, transcript: stenod.Transcript, windows: Sequence[Path]) -> Heard:
        nonlocal done
        peer = await idle.get()
        found = await heard(peer, case, transcript, windows)
        idle.put_nowait(peer)
        done += 1
        tell(f"faster-whisper: {done} of {len(chosen)} recordings")
        return found

    async with AsyncExitStack() as peers:
        for _ in range(SIDE_BY_SIDE):
            idle.put_nowait(await peers.enter_async_context(faster_whisper(fetch_whisper_base())))
        return await asyncio.gather(*map(listen, chosen, transcripts, files))


def judged(found: Sequence[Heard]) -> bool:
    """Prints what came out; whether it holds."""
    by_language = {one.case.language: [two for two in found if two.case.language == one.case.language] for one in found}
    english = row(ENGLISH, by_language.pop(ENGLISH))
    others = row("not English", [one for chosen in by_language.values() for one in chosen])
    told = languages(found)
    print(f"\r{HEADER:60}")
    for each in (english, *(row(name, chosen) for name, chosen in by_language.items()), others):
        print(each)
    for one in found:
        if _normalised(one)[1] != _normalised(one)[2]:
            print(f"{one.case.recording.id}: {one.service!r}, faster-whisper: {one.windows!r}")
    print(f"language told right in {told.service} of {told.asked}, by faster-whisper in {told.peer}")
    points = [abs(english.service - peer) for peer in (english.windows, english.file)]
    print(f"English: {points[0]:.2f} points from faster-whisper on the same windows, {points[1]:.2f} on whole files")
    agrees = others.agreement_percent >= LEAST_AGREEMENT_PERCENT
    return max(points) <= ALLOWED_POINTS and agrees and told.service >= told.peer


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="take one recording in so many")
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        found = await hear(Path(name), cases(arguments.every), arguments.precision)
    holds = judged(found)
    print("ok" if holds else "FAIL", f"in {(time.monotonic() - began_s) / 60:.1f} min")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
