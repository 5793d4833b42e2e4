"""Proof: speakers are told apart over ten hours, in time that grows with the length and in memory that does not.

    python -m tests.proofs.long_speakers [--cycles 1 6 58]

The two arranged conversations of the speech set, one after the other, five people in ten and a half minutes: once, for
an hour, and for ten hours; each through a fresh server with the real models. For each: the seconds of work for an hour
of audio, the peak resident memory of the server (with its audio workers) and of its Triton, the speakers found, and in
how many of the repetitions each person has the label that it has in most.

Exit status 1 when the longest takes more than 10 % more memory than the shortest, or more than a quarter more time for
an hour than the second, when other than five speakers are found, when two people have one label, or when somebody's
label differs in one of a hundred repetitions.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import imageio_ffmpeg
import psutil

import stenod
from bench.conversations import Conversation, conversations
from bench.table import aligned
from tests.proofs.memory import MIB, Peak, watch
from tests.support.models import DEFAULT_MODEL, VAD_MODEL, VOICES_MODEL, build_models
from tests.support.server import serving

ALLOWED_MEMORY_RATIO: Final = 1.1
ALLOWED_TIME_RATIO: Final = 1.25
LEAST_STABLE: Final = 0.99
CYCLES: Final = (1, 6, 58)

Labels = Mapping[str, Sequence[str]]  # of each person, in each repetition of a conversation it is in


@dataclass(frozen=True, slots=True)
class Run:
    """One recording through a fresh server."""

    duration_s: float
    work_s: float
    peak: Peak
    speakers: tuple[str, ...]
    labels: Labels

    @property
    def work_s_per_hour(self) -> float:
        return self.work_s / (self.duration_s / 3600)

    @property
    def peak_bytes(self) -> int:
        return self.peak.server + self.peak.triton

    @property
    def stable(self) -> float:
        """The share of repetitions in which somebody has the label that it has in most."""
        counts = [Counter(labels) for labels in self.labels.values()]
        return sum(count.most_common(1)[0][1] for count in counts) / sum(count.total() for count in counts)

    @property
    def people_told_apart(self) -> int:
        return len({Counter(labels).most_common(1)[0][0] for labels in self.labels.values()})


def arranged() -> list[Conversation]:
    return [one for one in conversations() if one.clip.id.startswith("conv-dev")]


def repeated(chosen: Sequence[Conversation], cycles: int, target: Path) -> Path:
    """All of them, so many times over."""
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"file '{one.clip.path}'\n" for one in chosen) * cycles)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing)]
    subprocess.run([*command, "-c:a", "flac", "-y", str(target)], check=True)
    return target


def labels_of(words: Sequence[stenod.Word], chosen: Sequence[Conversation], cycles: int) -> Labels:
    """In each repetition, the label of most words said while the person speaks alone."""
    found: dict[str, list[str]] = defaultdict(list)
    place, now_s = 0, 0.0
    for one in [*chosen] * cycles:
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        while place < len(words) and words[place].start_s < now_s + one.clip.duration_s:
            word, place = words[place], place + 1
            middle_s = (word.start_s + word.end_s) / 2 - now_s
            speaking = {turn.speaker for turn in one.truth if turn.start_s <= middle_s <= turn.end_s}
            if len(speaking) == 1:
                votes[speaking.pop()][word.speaker] += 1
        for person, labels in votes.items():
            found[person].append(labels.most_common(1)[0][0])
        now_s += one.clip.duration_s
    return found


async def measure(chosen: Sequence[Conversation], cycles: int, models_dir: Path, directory: Path) -> Run:
    """Transcribe on a server of its own, watching its memory."""
    peak = Peak()
    recording = repeated(chosen, cycles, directory / f"{cycles}.flac")
    options = (f"--voices-model={VOICES_MODEL}",)
    async with (
        serving(directory / f"node{cycles}", *options, models_dir=models_dir) as server,
        stenod.Client(server.address) as client,
    ):
        watching = asyncio.create_task(watch(psutil.Process(server.process.pid), peak))
        job = await client.submit(recording, language="en", diarization="speaker")
        began_s = time.perf_counter()
        await _shown(client, job.job_id)
        work_s = time.perf_counter() - began_s
        transcript = await client.transcript(job.job_id)
        watching.cancel()
    recording.unlink()
    labels = labels_of(transcript.words, chosen, cycles)
    return Run(transcript.duration_s, work_s, peak, transcript.speakers, labels)


async def _shown(client: stenod.Client, job_id: str) -> None:
    """Wait for the job, and show how far it is."""
    async for update in client.watch(job_id):
        job = update.job
        print(f"\r{job.state} {job.progress_ratio:6.1%}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def table(runs: Sequence[Run]) -> str:
    lines: list[tuple[str, ...]] = [
        ("audio", "s / h", "x real time", "server MiB", "Triton MiB", "speakers", "told apart", "label kept")
    ]
    lines += [
        (
            f"{run.duration_s / 3600:.2f} h",
            f"{run.work_s_per_hour:.0f}",
            f"{run.duration_s / run.work_s:.1f}",
            f"{run.peak.server / MIB:.0f}",
            f"{run.peak.triton / MIB:.0f}",
            str(len(run.speakers)),
            str(run.people_told_apart),
            f"{run.stable:.2%}",
        )
        for run in runs
    ]
    return aligned(lines)


def failures(runs: Sequence[Run], people: int) -> list[str]:
    shortest, longest = runs[0], runs[-1]
    second = runs[1] if len(runs) > 2 else shortest
    memory, slower = longest.peak_bytes / shortest.peak_bytes, longest.work_s_per_hour / second.work_s_per_hour
    print(f"longest / shortest, memory: {memory:.3f} (allowed: {ALLOWED_MEMORY_RATIO})")
    print(f"longest / {second.duration_s / 3600:.2f} h, time for an hour: {slower:.3f} (allowed: {ALLOWED_TIME_RATIO})")
    found = [
        ("memory grows", memory > ALLOWED_MEMORY_RATIO),
        ("time grows faster than the recording", slower > ALLOWED_TIME_RATIO),
        (f"not {people} speakers", any(len(run.speakers) != people for run in runs)),
        ("two people have one label", any(run.people_told_apart != people for run in runs)),
        ("labels change", any(run.stable < LEAST_STABLE for run in runs)),
    ]
    return [why for why, holds in found if holds]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, nargs="+", default=CYCLES, help="repetitions, the fewest first")
    arguments = parser.parse_args()
    chosen = arranged()
    models_dir = build_models(DEFAULT_MODEL, VAD_MODEL, VOICES_MODEL)
    runs = []
    with tempfile.TemporaryDirectory() as name:
        for cycles in arguments.cycles:
            runs.append(await measure(chosen, cycles, models_dir, Path(name)))
            print(table(runs), flush=True)
    found = failures(runs, len({turn.speaker for one in chosen for turn in one.truth}))
    print("\n".join(found) or "all as it should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
