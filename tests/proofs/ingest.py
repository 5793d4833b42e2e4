"""Proof: a bucket of recordings is transcribed once each, in order, though the command is killed; and how fast.

    python -m tests.proofs.ingest [--objects 300] [--kills 2] [--single 40]

A real S3 server holds copies of the English clips of the speech set under distinct keys; a server with the default
model, its result cache off, reads them. `stenod ingest` is killed with SIGKILL when a part of the results is there,
started again, and so on. Then the same objects are submitted one after the other, and ingested with other numbers in
flight. Exit status 1 unless every object has one result, one job and its place in the index, no job was made twice, and
the bucket goes at least as fast as single files.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import stenod
from tests.support.models import DEFAULT_MODEL, VAD_MODEL, build_models
from tests.support.restartable import scrape
from tests.support.s3_place import BUCKET, S3Place, place
from tests.support.seaweed import running_s3
from tests.support.server import RunningServer, serving
from tests.support.speech import PROJECT_ROOT, Recording, english_with_text

POLL_S: Final = 0.2
AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Way:
    """One way of transcribing objects, and what it took. `runs` of the command."""

    name: str
    objects: int
    audio_s: float
    elapsed_s: float
    runs: int = 1

    @property
    def row(self) -> str:
        speed, rate = self.audio_s / self.elapsed_s, self.objects / self.elapsed_s
        return f"{self.name:<44} {self.runs:>5} {self.objects:>8} {self.elapsed_s:>8.1f} {rate:>10.2f} {speed:>12.1f}"


class Site:
    """The places, the server, and the command as a user runs it."""

    def __init__(self, source: S3Place, server: RunningServer) -> None:
        self.source = source
        self.server = server

    async def start(self, target: S3Place, *options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "stenod_server", "ingest", self.source.url, f"--to={target.url}"),
            f"--server={self.server.address}",
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=PROJECT_ROOT,
        )

    async def ingest(self, target: S3Place, *options: str) -> tuple[int, str]:
        process = await self.start(target, *options)
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def job_count(self) -> int:
        async with stenod.Client(self.server.address) as client:
            return len([job async for job in client.jobs()])

    async def windows(self) -> int:
        return int((await asyncio.to_thread(scrape, self.server.metrics))["stenod_windows_total"])


async def fill(source: S3Place, clips: Sequence[Recording]) -> dict[str, Recording]:
    """Puts a copy of each clip under a key of its own; gives the clips by key."""
    by_key = {
        f"{number % 7}/{number:05}-{clip.id}{clip.path.suffix}": clip for number, clip in enumerate(clips, start=1)
    }
    gate = asyncio.Semaphore(AT_ONCE)

    async def put(key: str, clip: Recording) -> None:
        async with gate:
            await source.put({key: await asyncio.to_thread(clip.path.read_bytes)})

    await asyncio.gather(*(put(key, clip) for key, clip in by_key.items()))
    return by_key


async def results_of(target: S3Place) -> list[str]:
    return [key for key in await target.keys() if not key.startswith("_")]


async def reached(process: asyncio.subprocess.Process, target: S3Place, enough: int) -> int:
    """How many results are there once there are enough, or the process has ended."""
    while True:
        there = len(await results_of(target))
        if there >= enough or process.returncode is not None:
            return there
        await asyncio.sleep(POLL_S)


async def killed(site: Site, target: S3Place, count: int, kills: int) -> tuple[int, int]:
    """Ingest, killed so often; the command's last status, and how many results the kills found, in all."""
    found = 0
    for kill in range(1, kills + 1):
        process = await site.start(target)
        enough = count * kill // (kills + 1)
        there = await reached(process, target, enough)
        process.kill()
        await process.communicate()
        print(f"  killed with {there} of {count} results there", flush=True)
        found += there
    status, said = await site.ingest(target)
    print("  " + said.replace("\n", "\n  ").rstrip(), flush=True)
    return status, found


async def problems(site: Site, target: S3Place, by_key: dict[str, Recording], status: int) -> list[str]:
    """What is not as it should be."""
    said = [f"the last run ended with {status}"] if status else []
    there = await results_of(target)
    named = {key: f"{key.rpartition('.')[0]}.json" for key in by_key}
    if there != sorted(named.values()):
        said.append(f"{len(there)} results for {len(by_key)} objects")
    index = [json.loads(line) for line in (await target.read("_index.jsonl")).splitlines()]
    if [line["key"] for line in index] != sorted(by_key):
        said.append("the index is not in order of the listing")
    jobs = await site.job_count()
    if jobs != len(by_key) or len({line["job_id"] for line in index}) != len(by_key):
        said.append(f"{jobs} jobs for {len(by_key)} objects")
    texts: dict[str, set[str]] = {}
    windows = 0
    for key, name in named.items():
        result = json.loads(await target.read(name))
        texts.setdefault(by_key[key].id, set()).add(result["text"])
        windows += result["window_count"]
        if result["source"]["uri"] != f"{site.source.url}/{key}":
            said.append(f"{name} is of {result['source']['uri']}")
    if differing := [clip for clip, found in texts.items() if len(found) != 1 or "" in found]:
        said.append(f"copies of {len(differing)} clips have different texts, or none: {differing[:3]}")
    recognised = await site.windows()
    print(f"  windows recognised {recognised}, in the results {windows}")
    if recognised < windows:
        said.append("the results have more windows than were recognised")
    return said


async def single(site: Site, keys: Sequence[str]) -> float:
    """Seconds for these objects, submitted, waited for and fetched one after the other."""
    async with stenod.Client(site.server.address) as client:
        started_s = time.monotonic()
        for key in keys:
            await client.transcribe(f"{site.source.url}/{key}", title="single")
        return time.monotonic() - started_s


async def measured(site: Site, target: S3Place, name: str, audio_s: float, *options: str) -> Way:
    """All objects once more: other options make other jobs of them."""
    started_s = time.monotonic()
    status, said = await site.ingest(target, *options)
    assert status == 0, said
    return Way(name, len(await results_of(target)), audio_s, time.monotonic() - started_s)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--single", type=int, default=40, help="objects that are submitted one by one")
    asked = parser.parse_args()
    clips = list(islice(cycle(clip for clip in english_with_text() if clip.duration_s < 30), asked.objects))
    audio_s = sum(clip.duration_s for clip in clips)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "s3").mkdir()
        s3 = await stack.enter_async_context(running_s3(directory / "s3"))
        await s3.make_bucket(BUCKET)
        os.environ.update(s3.environment)
        source, target = place(s3, "calls"), place(s3, "results")
        by_key = await fill(source, clips)
        print(f"{len(by_key)} objects, {audio_s / 60:.1f} min of speech, {len({clip.id for clip in clips})} clips")
        models_dir = build_models(DEFAULT_MODEL, VAD_MODEL)
        server = await stack.enter_async_context(
            serving(directory / "node", f"--fetch-buckets={source.url}", models_dir=models_dir)
        )
        site = Site(source, server)
        started_s = time.monotonic()
        status, found = await killed(site, target, len(by_key), asked.kills)
        first = Way(f"ingest, killed {asked.kills} times", len(by_key), audio_s, time.monotonic() - started_s)
        ways = [Way(first.name, first.objects, audio_s, first.elapsed_s, asked.kills + 1)]
        said = await problems(site, target, by_key, status)
        if found == 0:
            said.append("it was killed before there was any result")
        some = sorted(by_key)[: asked.single]
        some_s = sum(by_key[key].duration_s for key in some)
        ways.append(Way("single files, one after the other", len(some), some_s, await single(site, some)))
        ways.append(await measured(site, place(s3, "again"), "ingest, undisturbed", audio_s, "--language=en"))
        ways.append(
            await measured(site, place(s3, "two"), "ingest, two in flight", audio_s, "--numerals", "--in-flight=2")
        )
    print(f"\n{'way':<44} {'runs':>5} {'objects':>8} {'s':>8} {'objects/s':>10} {'x real time':>12}")
    for way in ways:
        print(way.row)
    if ways[2].audio_s / ways[2].elapsed_s < ways[1].audio_s / ways[1].elapsed_s:
        said.append("a bucket is slower than single files")
    for problem in said:
        print(f"FAIL  {problem}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
