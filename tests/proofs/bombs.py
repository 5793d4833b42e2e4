"""Proof: a recording that is made to exhaust its decoder is refused, by name of the limit, and costs little.

    python -m tests.proofs.bombs [--cpu-s 10] [--memory-mib 1024] [NAME …]

Every bomb of tests/support/bombs.py, a megabyte at most, through a real worker process that has served a recording
before. Prints what came of it, the time and the processor time, and how far the worker's resident memory went over what
it was at rest; exit status 1 where a bomb is accepted or ends otherwise than by its limit, where a harmless look-alike
is refused, where memory is not flat, or where the pool does not serve the recording after it. Then files that name
other files and addresses: none may be opened, which a listener on loopback shows.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.domain.audio import to_seconds
from stenod_server.errors import LimitExceeded, StenodError
from stenod_server.ports import AudioSummary, WindowPlan
from tests.support.bombs import BOMBS, Bomb
from tests.support.models import build_models
from tests.support.playlists import PLAN, Followed, try_playlists
from tests.support.waves import silence, write_wav

MIB = 1024**2
LARGEST_BYTES = 1_000_000
ALLOWED_GROWTH_BYTES = 320 * MIB  # of the decode_memory_bytes of 1 GiB; the largest is one frame of 8 channels
SAMPLE_S = 0.01


@dataclass(slots=True)
class Result:
    """What came of a bomb. `outcome`: as `Bomb.outcome`, or the name of another error."""

    bomb: Bomb
    size_bytes: int
    outcome: str = ""
    said: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rest_bytes: int = 0
    peak_bytes: int = 0

    @property
    def growth_bytes(self) -> int:
        return self.peak_bytes - self.rest_bytes

    @property
    def faults(self) -> list[str]:
        wanted = self.bomb.outcome
        faults = []
        if self.size_bytes > LARGEST_BYTES:
            faults.append("too large to be a proof")
        if self.outcome != wanted:
            faults.append(f"wanted {wanted or 'a transcript'}")
        if self.growth_bytes > ALLOWED_GROWTH_BYTES:
            faults.append("memory is not flat")
        return faults


def open_pool(vad_path: Path, *, cpu_s: float, memory_bytes: int) -> AudioWorkerPool:
    """One worker at a time, a fresh one after every second recording: its peak of memory is then of one bomb."""
    settings = AudioPoolSettings(
        vad_path=vad_path,
        max_workers=1,
        min_idle_workers=0,
        recordings_per_worker=2,
        cpu_limit_s=cpu_s,
        memory_limit_bytes=memory_bytes,
    )
    return AudioWorkerPool(settings)


async def detonate(pool: AudioWorkerPool, bomb: Bomb, directory: Path, plan: WindowPlan = PLAN) -> Result:
    """Let the pool decode something harmless, and then the bomb. Raises StenodError where the harmless one fails."""
    short = write_wav(directory / "short.wav", silence(2))
    await read(pool, short, plan)
    path = directory / bomb.name
    path.write_bytes(bomb.build())
    result = Result(bomb, path.stat().st_size)
    process = psutil.Process(pool.worker_pids[0])
    result.rest_bytes = process.memory_info().rss
    before_s = cpu_s(process)
    watching = asyncio.create_task(watch(process, before_s, result))
    started_s = monotonic()
    try:
        summary = await read(pool, path, plan)
        result.said = f"{to_seconds(summary.duration_samples):.1f} s of audio {summary.damage}"
    except LimitExceeded as error:
        result.outcome, result.said = error.limit, error.message
    except StenodError as error:
        result.outcome, result.said = error.reason, error.message
    result.wall_s = monotonic() - started_s
    watching.cancel()
    sample(process, before_s, result)
    path.unlink()
    return result


async def read(pool: AudioWorkerPool, path: Path, plan: WindowPlan) -> AudioSummary:
    async with pool.windows(path, plan) as items:
        *_, last = [item async for item in items]
    assert isinstance(last, AudioSummary)
    return last


async def watch(process: psutil.Process, before_s: float, result: Result) -> None:
    while True:
        sample(process, before_s, result)
        await asyncio.sleep(SAMPLE_S)


def sample(process: psutil.Process, before_s: float, result: Result) -> None:
    """The kernel keeps the peak of memory; a process that is gone by now was looked at a moment ago."""
    with suppress(psutil.Error, OSError, StopIteration):
        result.cpu_s = max(result.cpu_s, cpu_s(process) - before_s)
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        result.peak_bytes = max(result.peak_bytes, 1024 * int(peak.split()[1]))


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def detonate_all(arguments: argparse.Namespace) -> tuple[Sequence[Result], int]:
    vad_path = build_models() / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = open_pool(vad_path, cpu_s=arguments.cpu_s, memory_bytes=arguments.memory_mib * MIB)
    results: list[Result] = []
    print(f"{'bomb':<13}{'bytes':>8}  {'what it is':<34}{'s':>7}{'CPU s':>7}{'+ MiB':>7}  outcome")
    try:
        with tempfile.TemporaryDirectory() as name:
            for bomb in [one for one in BOMBS if not arguments.names or one.name in arguments.names]:
                result = await detonate(pool, bomb, Path(name))
                results.append(result)
                show(result)
            faults = 0 if arguments.names else show_playlists(*await try_playlists(pool, Path(name)))
            await read(pool, write_wav(Path(name) / "last.wav", silence(2)), PLAN)
    finally:
        await pool.close()
    return results, faults


def show_playlists(tried: Sequence[Followed], arrived: int) -> int:
    """Print what came of them; the faults."""
    for one in tried:
        print(f"{one.form:<14} naming {one.target:<40.40} reached {one.reached} times: {one.said}")
    loose = [one for one in tried if one.is_followed or one.reached]
    print(f"{len(tried)} references: {len(loose)} followed. Control, nothing closed: {arrived} reach the listener")
    return len(loose) + (arrived == 0)


def show(result: Result) -> None:
    fault = f"   <- {', '.join(result.faults)}" if result.faults else ""
    print(
        f"{result.bomb.name:<13}{result.size_bytes:>8}  {result.bomb.says:<34}{result.wall_s:>7.2f}{result.cpu_s:>7.2f}"
        f"{result.growth_bytes / MIB:>7.1f}  {result.said}{fault}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-s", type=float, default=10.0, help="decode_cpu_s")
    parser.add_argument("--memory-mib", type=int, default=1024, help="decode_memory_bytes, in MiB")
    parser.add_argument("names", nargs="*", help="bombs; default: all")
    arguments = parser.parse_args()
    results, loose = asyncio.run(detonate_all(arguments))
    wrong = [result for result in results if result.faults]
    worst = max(result.growth_bytes for result in results)
    print(f"{len(results)} bombs, {len(wrong)} wrong; memory grew by {worst / MIB:.1f} MiB at most")
    return 1 if wrong or loose else 0


if __name__ == "__main__":
    sys.exit(main())
