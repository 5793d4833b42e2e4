"""Proof: a server under mixed traffic stays as it is, hour after hour.

    python -m tests.proofs.soak [--minutes 30] [--seed N]

One real server with the real model and short retention, under callers that submit in every way, watch, list, get,
cancel, delete, send what is no recording, ask for health and capacity, transcribe, and hang up in the middle of
uploads. Every few seconds it is measured from outside, and twice at rest: after the warm-up, and at the end. Exit
status 1 unless the resident memory of the server is the same both times within 5 %, open files and threads too, the
database stops growing, and of all media nothing is left when its time is up.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
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
UPLOAD_TTL_S: Final = 60
SETTLE_S: Final = 180.0  # sweeps come once a minute
REST_S: Final = 15.0
WARM_UP_RATIO: Final = 1 / 6  # of the run: until the first records are purged, two retentions
RSS_RATIO: Final = 0.05
BOUND_RATIO: Final = 1.25  # how much is in it depends on how much was asked in the last two retentions
SLACK: Final = 5  # of threads and connections that are about to go
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

    @property
    def media(self) -> int:
        return self.data - self.database

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
        self.is_over = False
        self._server = server
        self._materials = materials
        self._seed = seed

    async def caller(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        deeds = [self.transcribe, self.watch, self.give_up, self.delete, self.ask, self.send_rubbish, self.hang_up]
        while not self.is_over:
            async with stenod.Client(self._server.address) as client:
                for _ in range(chance.randint(1, 20)):
                    if self.is_over:
                        return
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


@dataclass(frozen=True, slots=True)
class Soak:
    """What was measured: before anything, at rest after the warm-up, under traffic, at rest after it, and once all that
    the traffic left behind has had its time.
    """

    fresh: Sample
    warm: Sample
    busy: Sequence[Sample]
    tired: Sample
    settled: Sample

    def verdicts(self) -> list[tuple[bool, str]]:
        """Each check, and what it found."""
        fresh, warm, tired, settled = self.fresh, self.warm, self.tired, self.settled
        growth = tired.server / warm.server - 1
        half = max(sample.database for sample in self.busy[: len(self.busy) // 2])
        most = max(sample.database for sample in self.busy)
        blobs, data = max(sample.blobs for sample in self.busy), max(sample.data for sample in self.busy)
        return [
            (abs(growth) <= RSS_RATIO, f"server at rest: {_mib(warm.server)} warm, {_mib(tired.server)} at the end"),
            (tired.files <= warm.files + SLACK, f"files open at rest: {warm.files} warm, {tired.files} at the end"),
            (
                tired.threads <= warm.threads + SLACK,
                f"threads at rest: {warm.threads} warm, {tired.threads} at the end",
            ),
            (most <= half * BOUND_RATIO, f"database: at most {_mib(half)} in the first half, {_mib(most)} in all"),
            (settled.blobs <= fresh.blobs, f"blobs: at most {blobs}, {settled.blobs} when their time was up"),
            (
                settled.media <= fresh.media + MIB,
                f"data: at most {_mib(data)}, {_mib(settled.data)} when its time was up",
            ),
        ]


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f} MiB"


async def under_traffic(server: RestartableServer, traffic: Traffic, length_s: float, began_s: float) -> list[Sample]:
    """Every caller ends what it has begun: a call that is broken off may leave media that no job names, for an hour."""
    traffic.is_over = False
    callers = [asyncio.create_task(traffic.caller(number)) for number in range(CALLERS)]
    samples: list[Sample] = []
    end_s = time.monotonic() + length_s
    try:
        while time.monotonic() < end_s:
            samples.append(await asyncio.to_thread(measure, server, began_s))
            if len(samples) == 1 or samples[-1].at_s // 60 > samples[-2].at_s // 60:
                print(f"{samples[-1]}  {traffic.done.total():6d} calls  {len(traffic.faults)} faults", flush=True)
            for caller in callers:
                if caller.done():
                    caller.result()
            await asyncio.sleep(SAMPLE_S)
    finally:
        traffic.is_over = True
        await asyncio.gather(*callers)
    return samples


async def at_rest(server: RestartableServer, began_s: float) -> Sample:
    """Once nothing runs any more: what the server holds of itself, and not of its callers."""
    async with stenod.Client(server.address) as client, aclosing(client.watch_capacity()) as capacities:
        async for capacity in capacities:
            if not capacity.queued_job_count and not capacity.active_job_ids:
                break
    await asyncio.sleep(REST_S)
    sample = await asyncio.to_thread(measure, server, began_s)
    print(f"{sample}  at rest", flush=True)
    return sample


async def settled(server: RestartableServer, fresh: Sample, began_s: float) -> Sample:
    """When the time of all there was is up: two retentions, an upload's life, and the sweeps after them."""
    end_s = time.monotonic() + 2 * RETENTION_S + UPLOAD_TTL_S + SETTLE_S
    while (sample := await asyncio.to_thread(measure, server, began_s)).blobs > fresh.blobs:
        if time.monotonic() > end_s:
            break
        await asyncio.sleep(SAMPLE_S)
    print(f"{sample}  settled", flush=True)
    return sample


async def soak(server: RestartableServer, traffic: Traffic, length_s: float) -> Soak:
    began_s = time.monotonic()
    fresh = measure(server, began_s)
    await under_traffic(server, traffic, length_s * WARM_UP_RATIO, began_s)
    warm = await at_rest(server, began_s)
    busy = await under_traffic(server, traffic, length_s * (1 - WARM_UP_RATIO), began_s)
    tired = await at_rest(server, began_s)
    return Soak(fresh, warm, busy, tired, await settled(server, fresh, began_s))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        directory, media_dir, models_dir = Path(name), Path(name) / "media", build_models()
        media_dir.mkdir()
        options = (
            f"--fetch-file-roots={media_dir}", f"--retention-s={RETENTION_S}", f"--upload-ttl-s={UPLOAD_TTL_S}"
        )  # fmt: skip
        log = directory / "server.log"
        server = RestartableServer(directory / "node", *options, models_dir=models_dir, log=log)
        await server.start()
        try:
            materials = await undisturbed(server.address, mixed_recordings(media_dir, models_dir))
            await server.forget()
            traffic = Traffic(server, materials, arguments.seed)
            found = await soak(server, traffic, 60.0 * arguments.minutes)
        finally:
            status = await server.close()
    for holds, sentence in found.verdicts():
        print(f"{'ok  ' if holds else 'FAIL'}  {sentence}")
    for fault, times in Counter(traffic.faults).most_common(10):
        print(f"FAIL  {times} x {fault}")
    print(f"{', '.join(f'{times} x {deed}' for deed, times in traffic.done.most_common())}; exit status {status}")
    return 0 if all(holds for holds, _ in found.verdicts()) and not traffic.faults and status == 0 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
