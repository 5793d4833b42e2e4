"""Proof: asking a second Triton for the windows that a slow one holds up shortens the longest waits, within a budget.

    python -m tests.proofs.hedging [--seconds N] [--warm-up-s N] [--rate N] [--slow-ms N] [--seed N]

Three real Tritons with a recogniser that sleeps; one of them takes much longer than the others. Windows come at random
moments, as many a second as `--rate` says, and go to the Triton with the fewest windows in flight. The same arrivals
are played once for each budget; what is measured is the time from a window's arrival to its words, of those that came
after the warm-up: before, nobody knows yet how long a window takes. Exit status 1 when a window is lost, when more were
asked twice than the budget allows, or when the largest budget does not at least halve the 99th
percentile.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from stenod_server.engine.embedded import EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.ports import RecognitionRequest
from stenod_server.telemetry import logs
from tests.support.eventually import eventually
from tests.support.triton import SLEEPER, add_sleeper, sleeper_settings

RATIOS: Final = (0.0, 0.02, 0.05, 0.1)
QUICK_MS: Final = 40
SAMPLES: Final = 10 * 16_000
HEADER: Final = (
    f"{'hedge':>6s} {'windows':>8s} {'p50 ms':>8s} {'p95 ms':>8s} {'p99 ms':>8s} {'max ms':>8s} {'asked twice':>12s} "
    f"{'won':>5s}  windows by Triton (the last is slow)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one budget gave. Times in seconds."""

    ratio: float
    took_s: Sequence[float]
    asked: int
    won: int
    answered: Sequence[int]
    sent: int
    lost: int

    def quantile_ms(self, share: float) -> float:
        return 1000 * sorted(self.took_s)[min(len(self.took_s) - 1, int(share * len(self.took_s)))]

    @property
    def problems(self) -> list[str]:
        found = []
        if self.lost:
            found.append(f"{self.lost} windows lost at {self.ratio:.0%}")
        if self.asked > self.ratio * self.sent + 1:
            found.append(f"{self.asked} of {self.sent} windows asked twice at {self.ratio:.0%}")
        return found

    def __str__(self) -> str:
        times = " ".join(f"{self.quantile_ms(share):8.0f}" for share in (0.5, 0.95, 0.99, 1.0))
        share = f"{self.asked} ({self.asked / self.sent:.1%})"
        return (
            f"{self.ratio:6.0%} {self.sent:8d} {times} {share:>12s} {self.won:5d}  {' '.join(map(str, self.answered))}"
        )


async def play(urls: Sequence[str], gaps_s: Sequence[float], ratio: float, *, warm_up: int) -> Row:
    """Send the windows, each `gaps_s` after the one before, through an engine of its own; the first ones only count for
    the budget.
    """
    engine = TritonEngine(urls, hedge_ratio=ratio)
    await engine.start()
    audio, request = np.zeros(SAMPLES, np.int16), RecognitionRequest(SLEEPER)

    async def window() -> float:
        began_s = time.monotonic()
        await engine.recognise(audio, request, timeout_s=60.0)
        return time.monotonic() - began_s

    try:
        await eventually(lambda: len(engine.answering) == len(urls), timeout_s=60.0)
        windows = []
        for gap_s in gaps_s:
            windows.append(asyncio.create_task(window()))
            await asyncio.sleep(gap_s)
        took = await asyncio.gather(*windows, return_exceptions=True)
        hedges = engine.report_hedges()
        answered = {one.url: one.answered for one in engine.report()}
    finally:
        await engine.close()
    good = [one for one in took[warm_up:] if isinstance(one, float)]
    lost = sum(not isinstance(one, float) for one in took)
    return Row(ratio, good, hedges.asked, hedges.won, [answered[url] for url in urls], len(took), lost)


async def prove(directory: Path, *, gaps_s: Sequence[float], warm_up: int, slow_ms: int) -> list[Row]:
    async with AsyncExitStack() as stack:
        urls = []
        for place, fixed_ms in enumerate((QUICK_MS, QUICK_MS, slow_ms)):
            root = directory / str(place)
            add_sleeper(root / "models", fixed_ms=fixed_ms)
            triton = EmbeddedTriton(sleeper_settings(root))
            stack.push_async_callback(triton.stop)
            await triton.start()
            urls.append(triton.url)
        print(HEADER, flush=True)
        rows = []
        for ratio in RATIOS:
            rows.append(await play(urls, gaps_s, ratio, warm_up=warm_up))
            print(rows[-1], flush=True)
        return rows


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of arrivals, for each budget")
    parser.add_argument("--warm-up-s", type=float, default=5.0, help="before these")
    parser.add_argument("--rate", type=float, default=40.0, help="windows a second")
    parser.add_argument("--slow-ms", type=int, default=1000, help=f"a batch of the slow one; the others: {QUICK_MS}")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    logs.configure("error")
    chance = random.Random(arguments.seed)
    seconds, warm_up = arguments.seconds + arguments.warm_up_s, int(arguments.warm_up_s * arguments.rate)
    gaps_s = [chance.expovariate(arguments.rate) for _ in range(int(seconds * arguments.rate))]
    print(
        f"seed {arguments.seed}, {arguments.rate:g} windows a second, one batch of the slow one {arguments.slow_ms} ms"
    )
    with tempfile.TemporaryDirectory() as name:
        rows = await prove(Path(name), gaps_s=gaps_s, warm_up=warm_up, slow_ms=arguments.slow_ms)
    problems = [problem for row in rows for problem in row.problems]
    if rows[-1].quantile_ms(0.99) > rows[0].quantile_ms(0.99) / 2:
        problems.append(f"{rows[-1].ratio:.0%} asked twice did not halve what 99 of 100 windows stay below")
    for problem in problems:
        print(f"    {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
