"""Proof: a server under mixed traffic stays as it is, hour after hour.

    python -m tests.proofs.soak [--minutes 30] [--seed N]

One real server with the real model and short retention, under callers that submit in every way, watch, list, get,
cancel, delete, send what is no recording, ask for health and capacity, transcribe, and hang up in the middle of
uploads. Every few seconds it is measured from outside. Exit status 1 unless, after the warm-up, the resident memory
of the server stays within 5 %, its open files and threads stay where they were, and database and media are bounded.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

import stenod
from stenod import errors
from tests.support import rude_clients
from tests.support.load import Material, heard, mixed_recordings, undisturbed
from tests.support.models import build_models
from tests.support.restartable import RestartableServer

RETENTION_S: Final = 120
SAMPLE_S: Final = 3.0
WARM_UP_RATIO: Final = 1 / 6  # of the run: until the first records are purged, two retentions
RSS_RATIO: Final = 0.05
BOUND_RATIO: Final = 1.1
FILES_SLACK: Final = 10  # connections come and go
CALLERS: Final = 6
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What is seen from outside, in bytes and counts."""

    at_s: float
    server: int
    workers: int
    triton: int
    files: int
    threads: int
    database: int
    blobs: int
    data: int

    def __str__(self) -> str:
        return (
            f"{self.at_s / 60:6.1f} min  server {self.server / MIB:6.1f}  workers {self.workers / MIB:6.1f}  "
            f"Triton {self.triton / MIB:6.1f}  database {self.database / MIB:6.2f}  data {self.data / MIB:7.1f} MiB  "
            f"{self.blobs:5d} blobs  {self.files:4d} files  {self.threads:3d} threads"
        )


def measure(server: RestartableServer, began_s: float) -> Sample:
    process = server.process
    sizes = dict(_sizes(server.data_dir))
    return Sample(
        at_s=time.monotonic() - began_s,
        server=process.memory_info().rss,
        workers=sum(_rss(one) for one in server.decoders()),
        triton=sum(_rss(one) for one in (*server.tritons(), *server.stubs())),
        files=process.num_fds(),
        threads=process.num_threads(),
        database=sum(size for path, size in sizes.items() if path.name.startswith("stenod.db")),
        blobs=sum("blobs" in path.parts for path in sizes),
        data=sum(sizes.values()),
    )


def _sizes(directory: Path) -> Iterator[tuple[Path, int]]:
    """Files come and go meanwhile."""
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.stat().st_size


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


class Traffic:
    """Callers that do one thing after the other, at random."""

    def __init__(self, server: RestartableServer, materials: Sequence[Material], seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._server = server
        self._materials = materials
        self._seed = seed

    async def caller(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        deeds = [self.transcribe, self.watch, self.give_up, self.delete, self.ask, self.send_rubbish, self.hang_up]
        while True:
            async with stenod.Client(self._server.address) as client:
                for _ in range(chance.randint(1, 20)):
                    [deed] = chance.choices(deeds, weights=[6, 4, 2, 2, 4, 2, 1])
                    try:
                        await deed(client, chance)
                    except errors.StenodError as error:
                        self.faults.append(f"{deed.__name__}: {error.reason}: {error.message}")
                    self.done[deed.__name__] += 1

    async def transcribe(self, client: stenod.Client, chance: random.Random) -> None:
        one = chance.choice(self._materials)
        if heard(await client.transcribe(one.source, language="en")) != one.heard:
            self.faults.append(f"{one.path.name} was heard otherwise")

    async def watch(self, client: stenod.Client, chance: random.Random) -> None:
        job = await client.submit(chance.choice(self._materials).source, language="en")
        async with aclosing(client.watch(job.job_id, include_segments=True)) as updates:
            async for _ in updates:
                pass

    async def give_up(self, client: stenod.Client, chance: random.Random) -> None:
        job = await client.submit(chance.choice(self._materials).source, language="en")
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        await client.cancel(job.job_id)

    async def delete(self, client: stenod.Client, chance: random.Random) -> None:
        job = await client.submit(chance.choice(self._materials).source, language="en")
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        await client.delete(job.job_id, force=True)

    async def ask(self, client: stenod.Client, chance: random.Random) -> None:
        await client.health(chance.choice(["", "capacity", "liveness"]))
        await client.capacity()
        jobs = [job async for job in client.jobs(limit=50)]
        if jobs:
            with suppress(errors.NotFound):  # its time was up
                await client.job(chance.choice(jobs).job_id)

    async def send_rubbish(self, client: stenod.Client, chance: random.Random) -> None:
        with suppress(errors.JobFailed, errors.InvalidRequest):
            await client.transcribe(chance.randbytes(chance.randint(1, 100_000)), language="en")
            self.faults.append("random bytes were heard")

    async def hang_up(self, client: stenod.Client, chance: random.Random) -> None:
        del client
        async with rude_clients.slow(self._server.address, count=chance.randint(1, 3)):
            await asyncio.sleep(chance.uniform(0.2, 1.0))


def verdicts(samples: Sequence[Sample], length_s: float) -> list[tuple[bool, str]]:
    """Each check, and what it found."""
    warm = [sample for sample in samples if sample.at_s >= WARM_UP_RATIO * length_s]
    third = max(1, len(warm) // 3)
    first, second, last = warm[:third], warm[third:-third] or warm[:third], warm[-third:]

    def median(part: Sequence[Sample], of: Callable[[Sample], int]) -> float:
        return statistics.median(map(of, part))

    rss = median(last, lambda one: one.server), median(first, lambda one: one.server)
    files = median(last, lambda one: one.files), median(first, lambda one: one.files)
    threads = max(one.threads for one in last), max(one.threads for one in first)
    database = max(one.database for one in last), max(one.database for one in second)
    data = max(one.data for one in last), max(one.data for one in second)
    return [
        (
            abs(rss[0] / rss[1] - 1) <= RSS_RATIO,
            f"server {rss[1] / MIB:.1f} MiB in the first third, {rss[0] / MIB:.1f} MiB in the last (medians)",
        ),
        (files[0] <= files[1] + FILES_SLACK, f"{files[1]:.0f} files open when warm, {files[0]:.0f} at the end"),
        (threads[0] <= threads[1] + FILES_SLACK, f"{threads[1]} threads at most when warm, {threads[0]} at the end"),
        (
            database[0] <= database[1] * BOUND_RATIO,
            f"database {database[1] / MIB:.2f} MiB at most in the second third, {database[0] / MIB:.2f} in the last",
        ),
        (
            data[0] <= data[1] * BOUND_RATIO,
            f"data {data[1] / MIB:.1f} MiB at most in the second third, {data[0] / MIB:.1f} in the last",
        ),
    ]


async def soak(server: RestartableServer, traffic: Traffic, length_s: float) -> list[Sample]:
    callers = [asyncio.create_task(traffic.caller(number)) for number in range(CALLERS)]
    samples: list[Sample] = []
    began_s = time.monotonic()
    try:
        while (now_s := time.monotonic() - began_s) < length_s:
            samples.append(await asyncio.to_thread(measure, server, began_s))
            if len(samples) == 1 or now_s // 60 > samples[-2].at_s // 60:
                print(f"{samples[-1]}  {traffic.done.total():6d} calls  {len(traffic.faults)} faults", flush=True)
            for caller in callers:
                if caller.done():
                    caller.result()
            await asyncio.sleep(SAMPLE_S)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return samples


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    length_s = 60.0 * arguments.minutes
    with tempfile.TemporaryDirectory() as name:
        directory, media_dir, models_dir = Path(name), Path(name) / "media", build_models()
        media_dir.mkdir()
        options = (f"--fetch-file-roots={media_dir}", f"--retention-s={RETENTION_S}", "--upload-ttl-s=60")
        log = directory / "server.log"
        server = RestartableServer(directory / "node", *options, models_dir=models_dir, log=log)
        await server.start()
        try:
            materials = await undisturbed(server.address, mixed_recordings(media_dir, models_dir))
            traffic = Traffic(server, materials, arguments.seed)
            samples = await soak(server, traffic, length_s)
        finally:
            status = await server.close()
    found = verdicts(samples, length_s)
    for holds, sentence in found:
        print(f"{'ok  ' if holds else 'FAIL'}  {sentence}")
    for fault, times in Counter(traffic.faults).most_common(10):
        print(f"FAIL  {times} x {fault}")
    print(f"{', '.join(f'{times} x {deed}' for deed, times in traffic.done.most_common())}; exit status {status}")
    return 0 if all(holds for holds, _ in found) and not traffic.faults and status == 0 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
