"""Proof: memory does not grow with duration.

    python -m tests.proofs.memory [--hours 3]

The longest recording of the speech set, and a file of three hours made by repeating it, each through a fresh server
with the real model. Prints the peak resident memory of the server (the API process, and its decode workers) and of its
Triton; exit status 1 when the server's differ by more than 10 %.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import psutil

import stenod
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speech import recordings

ALLOWED_RATIO = 1.1
SAMPLE_S = 0.1
MIB = 1024 * 1024


@dataclass(slots=True)
class Peak:
    """Peak resident bytes, by role."""

    server: int = 0
    triton: int = 0

    def sample(self, process: psutil.Process) -> None:
        server = triton = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                name, resident = " ".join(one.cmdline()), one.memory_info().rss
            except psutil.Error:
                continue
            if "triton" in name:
                triton += resident
            else:
                server += resident
        self.server, self.triton = max(self.server, server), max(self.triton, triton)


@dataclass(frozen=True, slots=True)
class Run:
    """One recording through a fresh server."""

    duration_s: float
    words: int
    work_s: float
    peak: Peak


def repeated(source: Path, times: int, target: Path) -> Path:
    """The same recording `times` over, without decoding it."""
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"file '{source}'\n" for _ in range(times)))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing)]
    subprocess.run([*command, "-c", "copy", "-y", str(target)], check=True)
    return target


async def measure(recording: Path, models_dir: Path, directory: Path) -> Run:
    """Transcribe one recording on a server of its own, watching its memory."""
    peak = Peak()
    async with serving(directory, models_dir=models_dir) as server, stenod.Client(server.address) as client:
        watching = asyncio.create_task(watch(psutil.Process(server.process.pid), peak))
        job = await client.submit(recording)
        await client.wait(job.job_id)
        transcript = await client.transcript(job.job_id)
        watching.cancel()
        ended = await client.job(job.job_id)
    work_s = transcript.duration_s / (ended.real_time_factor or 1)
    return Run(transcript.duration_s, len(transcript.words), work_s, peak)


async def watch(process: psutil.Process, peak: Peak) -> None:
    while True:
        peak.sample(process)
        await asyncio.sleep(SAMPLE_S)


async def compare(models_dir: Path, directory: Path, *, times: tuple[int, ...]) -> list[Run]:
    """The longest recording of the set, repeated so many times, each on a fresh server."""
    [longest] = recordings("long")
    runs = []
    for count in times:
        source = repeated(longest.path, count, directory / f"{count}.mp3")
        runs.append(await measure(source, models_dir, directory / f"node{count}"))
        shutil.rmtree(directory / f"node{count}")
    return runs


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0, help="length of the long file")
    arguments = parser.parse_args()
    times = round(arguments.hours * 3600 / recordings("long")[0].duration_s)
    with tempfile.TemporaryDirectory() as name:
        runs = await compare(build_models(), Path(name), times=(1, times))
    for run in runs:
        print(
            f"{run.duration_s / 60:6.1f} min  {run.words:6d} words  {run.duration_s / run.work_s:6.1f} x real time  "
            f"server {run.peak.server / MIB:6.0f} MiB  Triton {run.peak.triton / MIB:6.0f} MiB"
        )
    ratio = runs[-1].peak.server / runs[0].peak.server
    whole = (runs[-1].peak.server + runs[-1].peak.triton) / (runs[0].peak.server + runs[0].peak.triton)
    print(f"peak of the server, long / short: {ratio:.3f} (allowed: {ALLOWED_RATIO}); with Triton: {whole:.3f}")
    return 0 if ratio <= ALLOWED_RATIO else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
