"""`stenod bench profile -o FILE`: what this machine does with a model, for `stenod plan`.

    python -m bench.profile -o FILE [--name NAME] [--model NAME] [--seconds 15]

One server with its own Triton, elastic engines off, so that a job is an engine. So many callers as engines are to be in
use each send one recording after the other; twice with all engines, to see how noisy the machine is. What a job costs
beside its audio comes from short recordings and long ones apart. Run it on a quiet machine.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

import stenod
from bench.machine import Machine
from bench.preparation import build_models
from bench.protocol import Clip
from bench.recordings import CACHE_DIR, NoSpeechSet, english_recordings
from bench.request import request_for
from bench.systems.service import running_server
from stenod_models.export.errors import ModelBuildError
from stenod_server.planning.profile import MEASURED, Profile, profile_json

DEFAULT_MODEL: Final = "moonshine-tiny-en"
_CROWD: Final = 2  # callers for each engine, where none shall be idle
_LOG: Final = CACHE_DIR / "logs" / "profile.log"  # of the server
WINDOW_S: Final = 30.0  # no recogniser takes more at a time


@dataclass(frozen=True, slots=True)
class Loop:
    """What was done in a while: `mean_s` and `speed` in seconds of audio. `run_s`: of all jobs together, from claim to
    end.
    """

    jobs: int
    audio_s: float
    took_s: float
    run_s: float = 0.0

    @property
    def mean_s(self) -> float:
        return self.audio_s / self.jobs

    @property
    def speed(self) -> float:
        return self.audio_s / self.took_s

    def with_all(self, engines: int) -> "Loop":
        """As if so many engines had never waited for the next recording of their caller."""
        in_use = min(self.run_s / self.took_s, float(engines))
        return replace(self, took_s=self.took_s * in_use / engines) if in_use else self

    @property
    def of_a_job_s(self) -> float:
        """Of the whole node."""
        return self.took_s / self.jobs


async def closed_loop(client: stenod.Client, clips: Sequence[Clip], *, callers: int, seconds: float) -> Loop:
    """So many callers, each with one recording after the other; those that are not done in time count by the share of
    the time they had.
    """
    turn = cycle(clips)
    began_s = time.perf_counter()
    end_s = began_s + seconds
    jobs = audio_s = run_s = 0.0

    async def caller() -> None:
        nonlocal jobs, audio_s, run_s
        while (start_s := time.perf_counter()) < end_s:
            clip = next(turn)
            job = await client.wait((await client.submit(Path(clip.path))).job_id)
            share = min(1.0, (end_s - start_s) / (time.perf_counter() - start_s))
            jobs += share
            audio_s += share * clip.duration_s
            if job.start_time and job.end_time:
                run_s += share * (job.end_time - job.start_time).total_seconds()

    await asyncio.gather(*(caller() for _ in range(callers)))
    return Loop(round(jobs), audio_s * round(jobs) / jobs, seconds, run_s)


async def measure(
    client: stenod.Client, clips: Sequence[Clip], *, engines: int, seconds: float, tell: Callable[[str], None]
) -> Profile:
    """A profile without names. `client` is of a server with so many engines, none of them lent."""
    await closed_loop(client, clips, callers=engines, seconds=min(seconds, 5.0))  # what is slow the first time
    counts = sorted({*(2**power for power in range(engines.bit_length()) if 2**power < engines), engines})
    loops: dict[int, Loop] = {}
    for count in counts:
        # All engines are kept busy by others that wait; fewer by callers who sometimes do not use theirs.
        callers = _CROWD * engines if count == engines else count
        loops[count] = (await closed_loop(client, clips, callers=callers, seconds=seconds)).with_all(count)
        tell(f"{count:3} engines: {loops[count].speed:6.1f} times real time, {loops[count].jobs} jobs")
    ordered = sorted(clips, key=lambda clip: clip.duration_s)
    third = max(1, len(ordered) // 3)
    short = await closed_loop(client, ordered[:third], callers=_CROWD * engines, seconds=seconds)
    long = await closed_loop(client, ordered[-third:], callers=_CROWD * engines, seconds=seconds)
    tell(f"short {short.mean_s:.1f} s: {short.speed:.1f} times real time; long {long.mean_s:.1f} s: {long.speed:.1f}")
    again = (await closed_loop(client, clips, callers=_CROWD * engines, seconds=seconds)).with_all(engines)
    noise = abs(again.speed - loops[engines].speed) / max(again.speed, loops[engines].speed)
    tell(f"again   : {again.speed:6.1f} times real time, {100 * noise:.0f} % apart")
    overhead_s = fitted_overhead_s(short, long, loops[engines])
    return Profile(
        name="",
        model="",
        machine="",
        gpu="",
        gpus=0,
        engines=engines,
        speeds=tuple((count, round(without_overhead(loop, overhead_s), 2)) for count, loop in loops.items()),
        overhead_s=round(overhead_s, 4),
        length_mean_s=round(statistics.fmean(clip.duration_s for clip in clips), 3),
        length_cv=round(_cv([clip.duration_s for clip in clips]), 3),
        window_s=WINDOW_S,
        basis=MEASURED,
        date=datetime.now(UTC).date().isoformat(),
        noise_ratio=round(noise, 3),
    )


def fitted_overhead_s(short: Loop, long: Loop, all_lengths: Loop) -> float:
    """Node seconds that a job costs whatever its length: where the line through both meets no audio. Not negative, and
    at most half of what a job takes: noise may say anything.
    """
    if long.mean_s <= short.mean_s:
        return 0.0
    per_second = (long.of_a_job_s - short.of_a_job_s) / (long.mean_s - short.mean_s)
    return min(max(0.0, short.of_a_job_s - per_second * short.mean_s), all_lengths.of_a_job_s / 2)


def without_overhead(loop: Loop, overhead_s: float) -> float:
    return loop.mean_s / max(loop.of_a_job_s - overhead_s, loop.of_a_job_s / 2)


def _cv(lengths: Sequence[float]) -> float:
    return statistics.pstdev(lengths) / statistics.fmean(lengths)


async def _run(options: argparse.Namespace) -> Profile:
    recordings = english_recordings(options.clips)
    clips = [recording.clip for recording in recordings]
    request = request_for(recordings, scenarios=(), model=options.model)
    machine = Machine.here()
    _tell(str(machine))
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        async with running_server(request, "--elastic=off", log=log) as server, stenod.Client(server.grpc) as client:
            engines = (await client.capacity()).max_engines
            found = await measure(client, clips, engines=engines, seconds=options.seconds, tell=_tell)
    note = options.note or f"{len(clips)} recordings of English speech; load of the machine before: {machine.load:.1f}"
    return replace(
        found,
        name=options.name,
        model=options.model,
        machine=f"{machine.cpu}, {machine.cores} cores",
        gpu=options.gpu,
        gpus=options.gpus,
        note=note,
    )


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="stenod bench profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where the profile goes")
    parser.add_argument("--name", default="mine", help="what it is called (default: mine)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"a model of the catalogue (default: {DEFAULT_MODEL})")
    parser.add_argument("--seconds", type=float, default=15.0, metavar="S", help="of each measurement (default 15)")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N recordings (default: all)")
    parser.add_argument("--gpu", default="", metavar="NAME", help="the GPU that Triton uses")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="how many of them a node has")
    parser.add_argument("--note", default="", help="what else is to be known of it")
    options = parser.parse_args()
    try:
        build_models({options.model})
        profile = asyncio.run(_run(options))
    except (NoSpeechSet, ModelBuildError, stenod.errors.StenodError) as error:
        print(error, file=sys.stderr)
        return 1
    options.output.write_text(profile_json(profile), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
