"""The service and the bare loop in turns, seconds apart: `python -m bench.beside`.

    make bench-beside                                    eight turns
    make bench-beside ARGS="--turns 20 --json FILE"

`make bench` starts its systems one after the other and compares medians of minutes that lie apart; on a machine that
others share, that says more of the minutes than of a ratio near 1. Here both are started, warm and idle, and each turn
measures the one and at once the other, with the same audio; every second turn in the other order. A ratio is the median
of the turns' own ratios.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import stenod
from bench.catalogue import DEFAULT_MODEL
from bench.machine import Machine
from bench.preparation import build_models
from bench.process_tree import ProcessTree
from bench.protocol import FILES_AT_ONCE, Clip, Request
from bench.recordings import CACHE_DIR, NoSpeechSet, english_recordings
from bench.request import request_for
from bench.result_file import Figure, write_result
from bench.systems.bare import BareLoop, Models
from bench.systems.service import running_server, transcribe_all
from bench.table import aligned
from stenod_models.export.errors import ModelBuildError

SERVICE: Final = "stenod"
BARE: Final = "bare loop"
LONG: Final = "one long file"
CLIPS: Final = f"{FILES_AT_ONCE} files at once"
_LOG: Final = CACHE_DIR / "logs" / "beside.log"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the clock, and of processors for all processes of the system, its client among them."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One kind of work, `audio_s` of it: a pair (service, bare loop) for each turn."""

    work: str
    audio_s: float
    pairs: Sequence[tuple[Took, Took]]

    @property
    def speeds(self) -> tuple[list[float], list[float]]:
        """x real time, of the service and of the bare loop."""
        return [self.audio_s / one.wall_s for one, _ in self.pairs], [
            self.audio_s / two.wall_s for _, two in self.pairs
        ]

    @property
    def speed_ratios(self) -> list[float]:
        """Of the service to the bare loop, turn by turn."""
        return [bare.wall_s / service.wall_s for service, bare in self.pairs]

    @property
    def speed_ratio(self) -> float:
        return statistics.median(self.speed_ratios)

    @property
    def cpu_ratio(self) -> float:
        return statistics.median(bare.cpu_s / service.cpu_s for service, bare in self.pairs)

    @property
    def cpu_beyond_s_per_audio_hour(self) -> float:
        return statistics.median(service.cpu_s - bare.cpu_s for service, bare in self.pairs) / self.audio_s * 3600


class Systems:
    """Both of them, started and warm; the one that is not measured waits for work."""

    def __init__(self, client: stenod.Client, loop: BareLoop, request: Request) -> None:
        self._client = client
        self._loop = loop
        self._clips: Mapping[str, Sequence[Clip]] = {LONG: [request.joined], CLIPS: request.clips}
        self._tree = ProcessTree(os.getpid())  # the server and the loop's processes are children of this one

    async def compare(self, works: Sequence[str], turns: int) -> list[Comparison]:
        pairs: dict[str, list[tuple[Took, Took]]] = {work: [] for work in works}
        for turn in range(turns):
            for work in works:
                order = (SERVICE, BARE) if turn % 2 == 0 else (BARE, SERVICE)
                took = {system: await self.measure(system, work) for system in order}
                pairs[work].append((took[SERVICE], took[BARE]))
                ratio = took[BARE].wall_s / took[SERVICE].wall_s
                print(f"turn {turn + 1} of {turns}: {work}: {ratio:.2f}", file=sys.stderr, flush=True)
        return [Comparison(work, sum(clip.duration_s for clip in self._clips[work]), pairs[work]) for work in works]

    async def measure(self, system: str, work: str) -> Took:
        cpu_before_s, begun = self._tree.cpu_s(), time.perf_counter()
        if system == BARE:
            await asyncio.to_thread(self._loop.transcribe, self._clips[work])
        else:
            await transcribe_all(self._client, self._clips[work])
        wall_s = time.perf_counter() - begun
        return Took(wall_s, self._tree.cpu_s() - cpu_before_s)


@asynccontextmanager
async def both(request: Request) -> AsyncIterator[Systems]:
    """Starts them and has each of them do everything once."""
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    loop = await asyncio.to_thread(BareLoop, Models(Path(request.models_dir), request.model), request.threads)
    try:
        with _LOG.open("wb") as log:
            async with running_server(request, log=log) as server, stenod.Client(server.grpc) as client:
                systems = Systems(client, loop, request)
                for system in (SERVICE, BARE):
                    for work in (CLIPS, LONG):
                        await systems.measure(system, work)
                yield systems
    finally:
        loop.close()


def table(found: Sequence[Comparison]) -> str:
    lines: list[Sequence[str]] = [
        ("", "stenod x real time", "bare loop", "ratio", "(min-max)", "CPU ratio", "CPU s beyond, an hour")
    ]
    for one in found:
        ratios = one.speed_ratios
        lines.append(
            (
                one.work,
                *(f"{statistics.median(speeds):.1f} ({min(speeds):.0f}-{max(speeds):.0f})" for speeds in one.speeds),
                f"{one.speed_ratio:.2f}",
                f"({min(ratios):.2f}-{max(ratios):.2f})",
                f"{one.cpu_ratio:.2f}",
                f"{one.cpu_beyond_s_per_audio_hour:.1f}",
            )
        )
    return aligned(lines)


def figures(found: Sequence[Comparison]) -> list[Figure]:
    return [
        figure
        for one in found
        for figure in (
            Figure(one.work, "speed", statistics.median(one.speeds[0]), "x", "higher"),
            Figure(one.work, "speed of the bare loop", statistics.median(one.speeds[1]), "x", ""),
            Figure(one.work, "speed ratio", one.speed_ratio, "x", "higher"),
            Figure(one.work, "CPU ratio", one.cpu_ratio, "x", "higher"),
            Figure(one.work, "CPU beyond", one.cpu_beyond_s_per_audio_hour, "s per audio h", "lower"),
        )
    ]


async def _compared(request: Request, turns: int) -> list[Comparison]:
    async with both(request) as systems:
        return await systems.compare((LONG, CLIPS), turns)


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
    found = asyncio.run(_compared(request, options.turns))
    audio_s = sum(recording.clip.duration_s for recording in recordings)
    print(f"{machine}\n{options.model}: {len(recordings)} recordings, {audio_s:.0f} s of English speech, ", end="")
    print(f"medians of {options.turns} turns\n\n{table(found)}")
    if options.json:
        about = {"model": options.model, "recordings": len(recordings), "audio_s": audio_s, "turns": options.turns}
        write_result(options.json, "beside", machine, figures(found), about=about)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"of the bench's catalogue (default: {DEFAULT_MODEL})")
    parser.add_argument("--turns", type=int, default=8, metavar="N", help="of each kind of work (default 8)")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N recordings (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
