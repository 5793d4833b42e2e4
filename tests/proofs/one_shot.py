"""Proof: a one-shot container that is taken away is gone on with; no window that was saved is recognised again.

    python -m tests.proofs.one_shot [--repeat 1]

`stenod transcribe --embedded` with the default model transcribes a long recording from a real S3 server, its state in
a bucket. It is told to stop (SIGTERM), or killed (SIGKILL) when a third is done; the same command in a fresh process,
with no disk in common, finishes. Windows are counted from the metrics of both processes. Exit status 1 unless the
result has every window and the text of an undisturbed run, and the second process recognised no more than what was not
saved.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from tests.support.models import DEFAULT_MODEL, VAD_MODEL, build_models
from tests.support.restartable import DOWN, free_port, scrape
from tests.support.s3_place import BUCKET, S3Place, place
from tests.support.seaweed import running_s3
from tests.support.speech import PROJECT_ROOT, recordings

POLL_S: Final = 0.05
CHECKPOINT_S: Final = 1.0
IN_FLIGHT: Final = 16  # windows that two cores have under way, at most


@dataclass(frozen=True, slots=True)
class Run:
    """One process: how it ended, how many windows it recognised (as far as anybody saw), and how long it took."""

    status: int
    windows: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """What is run, with its places."""

    source: str
    target: S3Place
    state: str
    models_dir: Path

    async def run(self, *, until: int = 0, sign: signal.Signals = signal.SIGTERM) -> Run:
        """To the end; with `until`, to that many windows, and then the signal."""
        metrics = f"127.0.0.1:{free_port()}"
        command = ("transcribe", "--embedded", self.source, f"--output={self.target.url}", f"--state={self.state}")
        started_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "stenod_server", *command, f"--checkpoint-s={CHECKPOINT_S}", "--grace-s=0"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=PROJECT_ROOT,
            env={**os.environ, "STENOD_METRICS_LISTEN": metrics, "STENOD_MODELS_DIR": str(self.models_dir)},
        )
        ended = asyncio.create_task(process.wait())
        windows = 0
        while not ended.done():
            with suppress(*DOWN, KeyError):
                windows = int((await asyncio.to_thread(scrape, metrics))["stenod_windows_total"])
            if until and windows >= until:
                if sign is signal.SIGKILL:
                    await asyncio.sleep(2 * CHECKPOINT_S)
                process.send_signal(sign)
                until = 0
            await asyncio.wait({ended}, timeout=POLL_S)
        return Run(ended.result(), windows, time.monotonic() - started_s)

    async def result(self) -> tuple[int, str]:
        """Windows and text."""
        [key] = [key for key in await self.target.keys() if key.endswith(".json")]
        result = json.loads(await self.target.read(key))
        return result["window_count"], result["text"]


def repeated(source: Path, times: int, target: Path) -> Path:
    """A recording, so many times over, as FLAC."""
    with av.open(str(target), "w") as written:
        stream = written.add_stream("flac", rate=16_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 16_000)
        for _ in range(times):
            with av.open(str(source)) as read:
                for frame in read.decode(audio=0):
                    for piece in resampler.resample(frame):
                        piece.pts = None
                        written.mux(stream.encode(piece))
        written.mux(stream.encode(None))
    return target


def problems(whole: tuple[int, str], found: tuple[int, str], runs: Sequence[Run], sign: signal.Signals) -> list[str]:
    first, second = runs
    said = []
    if (first.status, second.status) != (75 if sign is signal.SIGTERM else -signal.SIGKILL, 0):
        said.append(f"{sign.name}: exit statuses {first.status} and {second.status}")
    if found != whole:
        said.append(f"{sign.name}: the result differs from that of an undisturbed run")
    if second.windows > whole[0] - first.windows + IN_FLIGHT:
        said.append(f"{sign.name}: the second process recognised {second.windows} windows")
    return said


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="how often the long recording is repeated in a row")
    times = parser.parse_args().repeat
    models_dir = build_models(DEFAULT_MODEL, VAD_MODEL)
    said: list[str] = []
    rows: list[tuple[str, int, int, int]] = []
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "s3").mkdir()
        s3 = await stack.enter_async_context(running_s3(directory / "s3"))
        await s3.make_bucket(BUCKET)
        os.environ.update(s3.environment)
        source = place(s3, "in")
        [long] = recordings("long")
        await source.put({"long.flac": repeated(long.path, times, directory / "long.flac").read_bytes()})
        print(f"{long.duration_s * times / 60:.1f} min of speech", flush=True)
        jobs = {
            name: Job(f"{source.url}/long.flac", place(s3, name), place(s3, f"{name}-state").url, models_dir)
            for name in ("whole", "sigterm", "sigkill")
        }
        undisturbed = await jobs["whole"].run()
        whole = await jobs["whole"].result()
        rows.append(("undisturbed", undisturbed.windows, 0, whole[0]))
        print(f"undisturbed: {whole[0]} windows in {undisturbed.elapsed_s:.1f} s", flush=True)
        for name, sign in (("sigterm", signal.SIGTERM), ("sigkill", signal.SIGKILL)):
            first = await jobs[name].run(until=whole[0] // 3, sign=sign)
            second = await jobs[name].run()
            found = await jobs[name].result()
            rows.append((sign.name, first.windows, second.windows, found[0]))
            said += problems(whole, found, (first, second), sign)
    print(f"\n{'':<12} {'windows of the first':>21} {'of the second':>14} {'in the result':>14}")
    for name, first_windows, second_windows, in_result in rows:
        print(f"{name:<12} {first_windows:>21} {second_windows:>14} {in_result:>14}")
    for problem in said:
        print(f"FAIL  {problem}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
