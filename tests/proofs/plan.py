"""Proof: `stenod plan` foretells what a node does.

    python -m tests.proofs.plan [--recogniser real|sleeping] [--minutes 6] [--loads 0.5 0.8 0.95] [--engines 4]

A node is measured as `stenod bench profile` does it. Then jobs come at random (Poisson), with lengths drawn from those
that it was measured with, at these parts of what the plan says it can do, a third of the time each; of every job it is
noted how long it waited for its engine and ran. `real` is `stenod serve` with the default model in a real Triton;
`sleeping` the real API, scheduler and store with a recogniser that sleeps, so that the processor is not the limit.

Prints predicted and observed; a submit that is refused is counted, and so is a job that fails. The wait is predicted as
a range: for the speed that was measured, faster and slower by as much as two measurements of it differed. Exit status 1
where a job fails, or throughput is off by more than 15 %, or the mean wait is out of the range by more than a factor of
2 and 0.25 s besides; 2 where two measurements differed by more than 5 %: on such a machine nothing can be foretold.
"""

import argparse
import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import stenod
from bench.profile import measure
from bench.protocol import Clip
from stenod import errors
from stenod_server.engine.fake import FakeEngine
from stenod_server.planning.plan import Demand, Plan, make_plan
from stenod_server.planning.profile import Profile
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.models import build_models
from tests.support.node import fake_node
from tests.support.quiet import keep_quiet
from tests.support.server import serving

LOADS: Final = (0.5, 0.8, 0.95)
WARM_UP_RATIO: Final = 0.15  # of each load: the queue is empty at first
WINDOW_S: Final = 2.0
WINDOW_DELAY_S: Final = 0.1
LENGTHS: Final = (1, 1, 1, 2, 2, 3, 4, 10)  # windows of the sleeping node's recordings
THROUGHPUT_ERROR: Final = 0.15
WAIT_FACTOR: Final = 2.0
WAIT_SLACK_S: Final = 0.25
MOST_NOISE: Final = 0.05
HEAD: Final = """
               times real time           mean wait, s                 95 % wait, s     mean run, s
 load   jobs   plan    seen    error     plan (range)        seen     plan    seen     plan    seen   refused failed"""


@dataclass(slots=True)
class Observed:
    """Of one load. Seconds; `audio_s` ended within `measured_s`, after the warm-up."""

    measured_s: float
    waits: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    audio_s: float = 0.0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def speed(self) -> float:
        return self.audio_s / self.measured_s

    @property
    def mean_wait_s(self) -> float:
        return statistics.fmean(self.waits) if self.waits else 0.0

    @property
    def p95_wait_s(self) -> float:
        return sorted(self.waits)[len(self.waits) * 95 // 100] if self.waits else 0.0

    @property
    def mean_run_s(self) -> float:
        return statistics.fmean(self.runs) if self.runs else 0.0


class LengthFrontEnd:
    """Gives as many windows as the media says. Implements `ports.AudioFrontEnd`."""

    @asynccontextmanager
    async def windows(
        self, path: Path, plan: WindowPlan
    ) -> AsyncIterator[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        count = int(path.read_bytes())
        async with ScriptedFrontEnd(make_windows(count, seconds=WINDOW_S)).windows(path, plan) as items:
            yield items

    async def close(self) -> None: ...


@asynccontextmanager
async def sleeping_node(directory: Path, engines: int) -> AsyncIterator[tuple[str, list[Clip]]]:
    clips = []
    for number, windows in enumerate(LENGTHS):
        path = directory / f"{number}.wav"
        path.write_text(str(windows))
        clips.append(Clip(str(number), str(path), windows * WINDOW_S))
    engine = FakeEngine(fixed_delay_s=WINDOW_DELAY_S)
    node_settings: dict[str, Any] = {"parallel": engines, "elastic": False, "log_level": "error"}
    async with fake_node(directory, engine, LengthFrontEnd(), **node_settings) as node:
        yield node.address, clips


@asynccontextmanager
async def real_node(directory: Path, engines: int) -> AsyncIterator[tuple[str, list[Clip]]]:
    from bench.recordings import english_recordings  # noqa: PLC0415  the recordings need not be there otherwise

    clips = [recording.clip for recording in english_recordings(60)]
    models_dir = build_models("silero-vad", "moonshine-tiny-en")
    options = (f"--parallel={engines}", "--elastic=off", "--log-level=error")
    async with serving(directory / "data", *options, models_dir=models_dir) as server:
        yield server.address, clips


async def observe(
    client: stenod.Client, clips: Sequence[Clip], arrivals_per_s: float, length_s: float, chance: random.Random
) -> Observed:
    """Jobs at random for so long; waits for those that are under way at the end, and leaves them out."""
    began_s = time.monotonic()
    warm_s, end_s = began_s + WARM_UP_RATIO * length_s, began_s + length_s
    observed = Observed((1 - WARM_UP_RATIO) * length_s)
    under_way: set[asyncio.Task[None]] = set()
    next_s = began_s
    while (next_s := next_s + chance.expovariate(arrivals_per_s)) < end_s:
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
        task = asyncio.create_task(_one(client, chance.choice(clips), observed, (warm_s, end_s), next_s))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    while under_way:
        await asyncio.wait(under_way)
    return observed


async def _one(
    client: stenod.Client, clip: Clip, observed: Observed, counted: tuple[float, float], arrival_s: float
) -> None:
    try:
        job = await client.submit(Path(clip.path))
    except errors.Busy:
        observed.refused += 1
        return
    try:
        ended = await client.wait(job.job_id)
    except errors.StenodError as error:
        observed.failures.append(error.reason)
        return
    if counted[0] <= time.monotonic() < counted[1]:
        observed.audio_s += clip.duration_s
    if arrival_s >= counted[0] and ended.create_time and ended.start_time and ended.end_time:
        observed.waits.append((ended.start_time - ended.create_time).total_seconds())
        observed.runs.append((ended.end_time - ended.start_time).total_seconds())


def plan_for(profile: Profile, load: float) -> Plan:
    """Of one node, at this part of what it can do."""
    most = make_plan(Demand(hours_per_hour=1e-6, nodes=1), profile).most_hours_per_hour
    return make_plan(Demand(hours_per_hour=load * most, nodes=1), profile)


def show_profile(profile: Profile) -> None:
    speeds = ", ".join(f"{engines}: {speed:.1f}" for engines, speed in profile.speeds)
    print(f"{profile.engines} engines; times real time by engines in use: {speeds}")
    print(f"a job costs {profile.overhead_s * 1000:.0f} ms of the node beside its audio; recordings of")
    print(
        f"{profile.length_mean_s:.1f} s, coefficient of variation {profile.length_cv:.2f}; noise {profile.noise_ratio}"
    )
    print(HEAD)


def wait_range(plan: Plan) -> tuple[float, float]:
    """The mean wait where the node is faster and slower than was measured by as much as the measurements differed."""
    profile = plan.profile.slower_by(-(plan.profile.noise_ratio or 0.0))
    faster = make_plan(Demand(hours_per_hour=plan.hours_per_hour, nodes=1), profile).waiting
    slower = plan.waiting_if_slower or plan.waiting
    assert faster is not None
    assert slower is not None
    waits = [math.inf if one.mean_wait_s is None else one.mean_wait_s for one in (faster, slower)]
    return waits[0], waits[1]


def row(load: float, plan: Plan, observed: Observed) -> tuple[bool, str]:
    """Whether it was foretold, and a line of the table: predicted / observed."""
    waits = plan.waiting
    assert waits is not None
    assert waits.mean_wait_s is not None
    assert waits.p95_wait_s is not None
    assert waits.mean_service_s is not None
    speed_error = observed.speed / plan.hours_per_hour - 1
    low, high = wait_range(plan)
    in_range = low / WAIT_FACTOR - WAIT_SLACK_S <= observed.mean_wait_s <= high * WAIT_FACTOR + WAIT_SLACK_S
    return abs(speed_error) <= THROUGHPUT_ERROR and in_range and not observed.failures, (
        f"{100 * load:4.0f} %  {len(observed.waits):5}  {plan.hours_per_hour:7.1f} {observed.speed:7.1f} "
        f"{100 * speed_error:+5.0f} %  {waits.mean_wait_s:7.3f} ({low:.3f}-{high:.3f}) {observed.mean_wait_s:7.3f}  "
        f"{waits.p95_wait_s:7.3f} {observed.p95_wait_s:7.3f}  {waits.mean_service_s:7.3f} {observed.mean_run_s:7.3f}  "
        f"{observed.refused:7} {len(observed.failures):6}"
    )


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recogniser", choices=["real", "sleeping"], default="real")
    parser.add_argument("--minutes", type=float, default=6.0, help="in all, without what it takes to measure the node")
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of the profile")
    parser.add_argument("--engines", type=int, default=4, help="few, so that jobs wait before the machine is full")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    keep_quiet()
    chance = random.Random(options.seed)
    opened = real_node if options.recogniser == "real" else sleeping_node
    found = []
    with tempfile.TemporaryDirectory() as directory:
        async with opened(Path(directory), options.engines) as (address, clips), stenod.Client(address) as client:
            profile = await measure(client, clips, engines=options.engines, seconds=options.seconds, tell=_tell)
            show_profile(profile)
            for load in options.loads:
                plan = plan_for(profile, load)
                arrivals_per_s = plan.hours_per_hour / profile.length_mean_s
                length_s = 60 * options.minutes / len(options.loads)
                observed = await observe(client, clips, arrivals_per_s, length_s, chance)
                found.append(row(load, plan, observed))
                print(f"{found[-1][1]}  {'ok' if found[-1][0] else 'FAIL'} {' '.join(observed.failures)}", flush=True)
    if (profile.noise_ratio or 0.0) > MOST_NOISE:
        print(f"not judged: two measurements of the node differ by more than {100 * MOST_NOISE:.0f} %")
        return 2
    return 0 if all(foretold for foretold, _ in found) else 1


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
