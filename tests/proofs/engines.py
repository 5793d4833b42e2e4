"""Proof: engines are what makes a job fast. Four reserved ones against one, `--elastic off`.

    python -m tests.proofs.engines

First with a recogniser that sleeps (so that nothing but the scheduling counts): at least 3.5 times as fast. Then with
the real model, beside what this machine's cores can give. Texts must be identical. Exit status 1 when either fails.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import stenod
from stenod_server.engine.fake import FakeEngine
from stenod_server.telemetry import logs
from tests.support.models import build_models
from tests.support.node import fake_node
from tests.support.server import serving
from tests.support.speech import recordings

NEEDED_RATIO = 3.5
ENGINES = 4


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of work of the same job with one engine and with four."""

    one_s: float
    four_s: float
    texts_identical: bool

    @property
    def ratio(self) -> float:
        return self.one_s / self.four_s


async def compare(address: str, recording: Path) -> Comparison:
    """Run the job with one engine, then with four."""
    async with stenod.Client(address) as client:
        runs = [await _run(client, recording, engines) for engines in (1, ENGINES)]
    return Comparison(runs[0][0], runs[1][0], runs[0][1] == runs[1][1])


async def _run(client: stenod.Client, recording: Path, engines: int) -> tuple[float, str]:
    job = await client.submit(recording, parallel_engines=engines)
    ended = await client.wait(job.job_id)
    assert ended.start_time
    assert ended.end_time
    return (ended.end_time - ended.start_time).total_seconds(), (await client.transcript(job.job_id)).text


async def with_a_sleeper(directory: Path, recording: Path, *, delay_s: float = 0.5) -> Comparison:
    """Every window takes `delay_s`, whatever its length, and no core."""
    engine = FakeEngine(fixed_delay_s=delay_s)
    async with fake_node(directory, engine, parallel=ENGINES, elastic="off") as node:
        return await compare(node.address, recording)


async def main() -> int:
    logs.configure("warning")
    models_dir = build_models()
    [longest] = recordings("long")
    with tempfile.TemporaryDirectory() as name:
        asleep = await with_a_sleeper(Path(name) / "asleep", longest.path)
        options = (f"--parallel={ENGINES}", "--elastic=off")
        async with serving(Path(name) / "real", *options, models_dir=models_dir) as server:
            await compare(server.address, longest.path)  # warm
            awake = await compare(server.address, longest.path)
    cores = os.cpu_count() or 1
    print(f"{longest.duration_s / 60:.1f} min of speech, {ENGINES} reserved engines against 1, elastic off")
    for label, found in (("a recogniser that sleeps", asleep), (f"the real model on {cores} cores", awake)):
        same = "identical" if found.texts_identical else "DIFFERENT"
        print(f"{label:32s} {found.one_s:7.2f} s → {found.four_s:7.2f} s  {found.ratio:5.2f} x  texts {same}")
    print(f"needed with the sleeper: {NEEDED_RATIO} x; the most that {cores} cores can give the real model: {cores} x")
    good = asleep.ratio >= NEEDED_RATIO and asleep.texts_identical and awake.texts_identical
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
