"""The service under load: `python -m bench.load`.

    make bench-load                                      files at once 1, 2, 4 … 64, then a stream of single clips
    make bench-load ARGS="--at-once 1 16 --requests 50 --json FILE"

First closed: so many files in work all the time, until all are done: x real time, processor seconds. Then open: clips
of about ten seconds arrive by chance (Poisson) at a share of the throughput that these clips were just measured at, and
each is timed from the moment it arrives: the percentiles are what a caller waits, queue and all.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import stenod
from bench.catalogue import DEFAULT_MODEL
from bench.machine import Machine
from bench.preparation import build_models
from bench.process_tree import ProcessTree
from bench.protocol import FILES_AT_ONCE, Clip, Request
from bench.recordings import CACHE_DIR, SINGLE_S, NoSpeechSet, Recording, english_recordings
from bench.request import request_for
from bench.result_file import Figure, write_result
from bench.results import percentile
from bench.systems.service import LANGUAGE, running_server, transcribe_all
from bench.table import aligned
from stenod_models.export.errors import ModelBuildError

_AT_ONCE: Final = (1, 2, 4, 8, 16, 32, 64)
_CLIPS: Final = 12  # of about ten seconds, taken in turn
_LOG: Final = CACHE_DIR / "logs" / "load.log"


@dataclass(frozen=True, slots=True)
class Scaling:
    """All recordings, `at_once` of them in work. `speed` is seconds of audio for each second."""

    at_once: int
    speed: float
    cpu_s_per_audio_hour: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from arrival to transcript; `load_ratio` of the throughput `full_speed`. `late_s`: how late the driver
    itself was at worst, which is in the latencies.
    """

    load_ratio: float
    full_speed: float
    clip_s: float
    latencies_s: Sequence[float]
    late_s: float


def arrivals(rate_hz: float, count: int, seed: int = 0) -> Iterator[float]:
    """Seconds from the start at which `count` requests arrive by chance, `rate_hz` of them a second on average."""
    chance = random.Random(seed)
    moment = 0.0
    for _ in range(count):
        moment += chance.expovariate(rate_hz)
        yield moment


async def at_moments(moments: Sequence[float], work: Callable[[int], Awaitable[None]]) -> tuple[list[float], float]:
    """Start `work(i)` at each moment, whatever is still running. Returns the seconds from each moment to the end of its
    work, and how late the latest was started.
    """
    begun = time.perf_counter()
    late_s = 0.0

    async def timed(index: int) -> float:
        await work(index)
        return time.perf_counter() - begun - moments[index]

    tasks = []
    for index, moment in enumerate(moments):
        await asyncio.sleep(max(0.0, begun + moment - time.perf_counter()))
        late_s = max(late_s, time.perf_counter() - begun - moment)
        tasks.append(asyncio.create_task(timed(index)))
    return list(await asyncio.gather(*tasks)), late_s


def ten_second_clips(recordings: Sequence[Recording], count: int = _CLIPS) -> list[Clip]:
    """The recordings whose length is nearest to ten seconds."""
    clips = sorted((recording.clip for recording in recordings), key=lambda clip: abs(clip.duration_s - SINGLE_S))
    return clips[:count]


async def measure_load(
    request: Request, clips: Sequence[Clip], options: argparse.Namespace
) -> tuple[list[Scaling], list[Latency]]:
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        async with running_server(request, log=log) as server, stenod.Client(server.grpc) as client:
            tree = ProcessTree(server.pid)
            await transcribe_all(client, [request.single] * FILES_AT_ONCE)
            scaling = [await _scaling(client, request, tree, at_once) for at_once in options.at_once]
            latency = [
                await _latency(client, clips, load_ratio=ratio, count=options.requests) for ratio in options.loads
            ]
    return scaling, latency


async def _scaling(client: stenod.Client, request: Request, tree: ProcessTree, at_once: int) -> Scaling:
    audio_s = sum(clip.duration_s for clip in request.clips)
    cpu_before_s, begun = tree.cpu_s(), time.perf_counter()
    await transcribe_all(client, request.clips, at_once=at_once)
    wall_s = time.perf_counter() - begun
    _tell(f"{at_once} at once: {wall_s:.1f} s")
    return Scaling(at_once, audio_s / wall_s, (tree.cpu_s() - cpu_before_s) / audio_s * 3600)


async def _latency(client: stenod.Client, clips: Sequence[Clip], *, load_ratio: float, count: int) -> Latency:
    """The full speed is taken just before, with enough clips at once to fill the service."""
    audio_s = sum(clip.duration_s for clip in clips)
    begun = time.perf_counter()
    await transcribe_all(client, list(clips) * 4)
    full_speed = 4 * audio_s / (time.perf_counter() - begun)
    clip_s = audio_s / len(clips)
    media = [await asyncio.to_thread(Path(clip.path).read_bytes) for clip in clips]

    async def transcribe(index: int) -> None:
        await client.transcribe(media[index % len(media)], language=LANGUAGE)

    moments = list(arrivals(load_ratio * full_speed / clip_s, count))
    latencies_s, late_s = await at_moments(moments, transcribe)
    _tell(f"{count} clips at {load_ratio:.0%} of {full_speed:.0f} x real time: {moments[-1]:.0f} s")
    return Latency(load_ratio, full_speed, clip_s, latencies_s, late_s)


def scaling_table(found: Sequence[Scaling]) -> str:
    lines: list[Sequence[str]] = [("files at once", "x real time", "CPU s per audio h")]
    lines += [(str(one.at_once), f"{one.speed:.1f}", f"{one.cpu_s_per_audio_hour:.1f}") for one in found]
    return aligned(lines)


def latency_table(found: Sequence[Latency]) -> str:
    lines: list[Sequence[str]] = [("10 s clips at load", "p50 ms", "p90 ms", "p99 ms", "mean ms", "clips", "late ms")]
    for one in found:
        values = [percentile(one.latencies_s, percent) for percent in (50, 90, 99)]
        shown = [f"{1000 * value:.0f}" for value in (*values, statistics.fmean(one.latencies_s))]
        head = f"{one.load_ratio:.0%} of {one.full_speed:.0f} x real time"
        lines.append((head, *shown, str(len(one.latencies_s)), f"{1000 * one.late_s:.0f}"))
    return aligned(lines)


def figures(scaling: Sequence[Scaling], latency: Sequence[Latency]) -> list[Figure]:
    found = []
    for one in scaling:
        row = f"{one.at_once} at once"
        found.append(Figure(row, "speed", one.speed, "x", "higher"))
        found.append(Figure(row, "CPU", one.cpu_s_per_audio_hour, "s per audio h", "lower"))
    for load in latency:
        row = f"10 s clips at {load.load_ratio:.0%} load"
        found.append(Figure(row, "full speed", load.full_speed, "x", "higher"))
        for percent in (50, 90, 99):
            value = 1000 * percentile(load.latencies_s, percent)
            found.append(Figure(row, f"p{percent}", value, "ms", "lower"))
    return found


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def main() -> int:
    options = _options()
    try:
        recordings = english_recordings(options.clips)
        build_models({options.model})
    except (NoSpeechSet, ModelBuildError) as error:
        print(error, file=sys.stderr)
        return 1
    machine = Machine.here()
    request = request_for(recordings, scenarios=(), model=options.model)
    scaling, latency = asyncio.run(measure_load(request, ten_second_clips(recordings), options))
    audio_s = sum(recording.clip.duration_s for recording in recordings)
    print(f"{machine}\n{options.model}: {len(recordings)} recordings, {audio_s:.0f} s of English speech\n")
    print(f"{scaling_table(scaling)}\n\n{latency_table(latency)}")
    if options.json:
        about = {"model": options.model, "recordings": len(recordings), "audio_s": audio_s}
        raw = [asdict(one) for one in latency]
        write_result(options.json, "load", machine, figures(scaling, latency), about=about, latency=raw)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"of the bench's catalogue (default: {DEFAULT_MODEL})")
    parser.add_argument("--at-once", type=int, nargs="*", default=_AT_ONCE, metavar="N", help="files in work")
    parser.add_argument("--loads", type=float, nargs="*", default=(0.5,), metavar="RATIO", help="default 0.5")
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="clips of the stream (default 300)")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N recordings (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
