"""Proof: where nobody speaks, nobody is quoted. Silence, noise, hum, music and held vowels, through the whole service.

    python -m tests.proofs.silence [SHARE]

One server has all families loaded: Moonshine and Whisper base with their real weights, and a small Parakeet whose
random weights make words of anything, so that its column says what the voice activity detection lets through. Every
sound is made at several lengths and levels; SHARE (0..1) takes fewer. The recordings without speech of the speech set,
and voices of its recordings held for 20 s, follow where it is there. A held voice is the hardest: its start is speech.
Prints for each kind how many transcripts have text, and of how many the guard dropped text. Exit status 1 when one of
the first two families says anything, but for one in fifty of the held voices.
"""

import asyncio
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import stenod
from stenod_models.export.build_request import BuildRequest
from stenod_models.export.catalogue import add
from tests.support.models import DEFAULT_MODEL, VAD_MODEL, build_models, read_audio
from tests.support.server import serving
from tests.support.sounds import HZ, SOUNDS, Int16Audio, at_level, held_voice
from tests.support.speech import recordings
from tests.support.waves import write_wav
from tests.support.whisper_weights import fetch_whisper_base

WHISPER, PARAKEET = "whisper-base", "parakeet-random"
SECONDS = (1.0, 3.0, 10.0, 20.0, 60.0)
PEAKS_DB = (-1.0, -20.0, -40.0)
SEEDS = 4
HELD_VOICE, HELD_S, VOICES = "held voice", 20.0, 120
ALLOWED_RATIO = {HELD_VOICE: 0.02}
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    path: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model made of a case; `warnings` are the reasons that the transcript gives."""

    case: Case
    model: str
    text: str
    warnings: tuple[str, ...]


def synthetic(folder: Path, share: float) -> Iterator[Case]:
    """Every sound at every length and level, thinned out evenly to `share`."""
    made = 0
    for kind, make in SOUNDS.items():
        for seed in range(SEEDS):
            for seconds in SECONDS:
                for peak_db in PEAKS_DB:
                    made += 1
                    if int(made * share) > int((made - 1) * share):
                        path = folder / f"{kind.replace(' ', '-')}-{seed}-{seconds:g}s{peak_db:g}dB.wav"
                        yield Case(kind, write_wav(path, at_level(make(seconds, seed), peak_db)))


def recorded(folder: Path, share: float) -> Iterator[Case]:
    for recording in recordings("nonspeech"):
        yield Case("recording without speech", recording.path)
    speech = recordings("read_en", "spont_en", "short_en", "noisy_en", "multilingual")
    for recording in speech[:: max(1, round(len(speech) / (VOICES * share)))] if speech else ():
        voice = read_audio(recording.path)[: 6 * HZ]
        yield Case(HELD_VOICE, write_wav(folder / f"{recording.id}.wav", held(voice)))


def held(voice: Int16Audio, seconds: float = HELD_S) -> Int16Audio:
    return at_level(held_voice(voice, seconds), -3.0)


async def outcomes(client: stenod.Client, cases: Sequence[Case], models: Sequence[str]) -> list[Outcome]:
    room, done = asyncio.Semaphore(SIDE_BY_SIDE), 0

    async def outcome(case: Case, model: str) -> Outcome:
        nonlocal done
        async with room:
            transcript = await client.transcribe(case.path, model=model, language="en")
        done += 1
        print(f"\r{done} of {len(cases) * len(models)} jobs", end="", file=sys.stderr, flush=True)
        return Outcome(case, model, transcript.text, tuple(reason for reason, _message in transcript.warnings))

    return await asyncio.gather(*(outcome(case, model) for model in models for case in cases))


def report(found: Sequence[Outcome], models: Sequence[str]) -> bool:
    """Print the table; whether it holds."""
    print(f"\n{'':26}{'files':>6}", *(f"{model:>28}" for model in models))
    print(f"{'':26}{'':>6}", *(f"{'with text':>18}{'dropped':>10}" for _model in models))
    holds = True
    for kind in dict.fromkeys(one.case.kind for one in found):
        row = []
        for model in models:
            mine = [one for one in found if (one.case.kind, one.model) == (kind, model)]
            spoken = sum(bool(one.text) for one in mine)
            row.append(f"{spoken:>18}{sum(bool(one.warnings) for one in mine):>10}")
            holds &= model == PARAKEET or spoken <= ALLOWED_RATIO.get(kind, 0.0) * len(mine)
        print(f"{kind:26}{len(mine):>6}", *row)
    for one in found:
        if one.text and one.model != PARAKEET:
            print(f"  {one.model} on {one.case.path.name}: {one.text!r}")
    return holds


def models_in(folder: Path) -> list[str]:
    """Fill `folder` with the three families; Parakeet where torch and transformers are installed."""
    for name in (DEFAULT_MODEL, VAD_MODEL):
        shutil.copytree(build_models() / name, folder / name)
    sources = {WHISPER: fetch_whisper_base()}
    if all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        from tests.support.parakeet_checkpoints import Shape, make_checkpoint  # noqa: PLC0415 - torch may be absent

        sources[PARAKEET] = make_checkpoint(folder.parent / "checkpoint", Shape("tdt", seed=3))
    for name, source in sources.items():
        add(name, folder, progress=lambda _phase, _done: None, request=BuildRequest(source=str(source)))
    return [DEFAULT_MODEL, *sources]


async def main() -> int:
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sounds").mkdir()
        models = models_in(folder / "models")
        cases = [*synthetic(folder / "sounds", share), *recorded(folder / "sounds", share)]
        named = [f"--model={model}" for model in models]
        async with (
            serving(folder / "node", *named, models_dir=folder / "models") as server,
            stenod.Client(server.address) as client,
        ):
            found = await outcomes(client, cases, models)
    return 0 if report(found, models) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
