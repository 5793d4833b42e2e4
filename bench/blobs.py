"""`python -m bench.blobs`: how fast media goes into a store of blobs and out of it, and what memory that takes: a
directory of this disk, and a bucket of a real S3 server (SeaweedFS) on the same machine, which shares its cores.

Each row is a process of its own: what it read as peak is what the way took beyond what the process was before.
"""

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import Machine
from bench.table import aligned
from stenod_server.ports import Upload
from stenod_server.store.open import Shared, Stores, open_store
from tests.support.builders import make_upload
from tests.support.s3_place import BUCKET
from tests.support.seaweed import running_s3

MIB: Final = 1024 * 1024
KEY: Final = "media/bench"
VOLUMES: Final = 400  # of 64 MB: what is deleted is not given back at once


@dataclass(frozen=True, slots=True)
class Task:
    """One row: which way, through which store (`blob_url` empty: a directory), in the directory of its process."""

    way: str
    blob_url: str
    directory: Path
    size_mib: int


@dataclass(frozen=True, slots=True)
class Took:
    """One pass of a row."""

    seconds: float
    peak_bytes: int


async def _chunks(size_mib: int) -> AsyncIterator[bytes]:
    """As a stream of UploadMedia brings them; what they hold does not compress."""
    block = os.urandom(MIB)
    for number in range(size_mib):
        yield number.to_bytes(8) + block[8:]


async def _put(stores: Stores, size_mib: int) -> float:
    begin_s = time.perf_counter()
    await stores.blobs.put(KEY, _chunks(size_mib))
    return time.perf_counter() - begin_s


async def _get(stores: Stores, size_mib: int) -> float:
    """Until a decoder could open it, and its bytes read once."""
    await stores.blobs.put(KEY, _chunks(size_mib))
    begin_s = time.perf_counter()
    async with stores.blobs.local_path(KEY) as path:
        await asyncio.to_thread(_digest, path)
    return time.perf_counter() - begin_s


async def _copy(stores: Stores, size_mib: int) -> float:
    await stores.blobs.put(KEY, _chunks(size_mib))
    begin_s = time.perf_counter()
    await stores.blobs.copy(KEY, "media/copied")
    return time.perf_counter() - begin_s


async def _upload(stores: Stores, size_mib: int) -> float:
    upload = await _begun(stores)
    begin_s = time.perf_counter()
    await stores.spool.append(upload, _chunks(size_mib))
    return time.perf_counter() - begin_s


async def _finish(stores: Stores, size_mib: int) -> float:
    upload = await _begun(stores)
    await stores.spool.append(upload, _chunks(size_mib))
    upload = await stores.uploads.get_upload(upload.tenant, upload.upload_id)
    begin_s = time.perf_counter()
    await stores.spool.finish(upload)
    return time.perf_counter() - begin_s


async def _begun(stores: Stores) -> Upload:
    return await stores.uploads.create_upload(make_upload())


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


WAYS: Final[Mapping[str, Callable[[Stores, int], Awaitable[float]]]] = {
    "put: a stream into a blob": _put,
    "get: a blob as a local file, read": _get,
    "copy: a blob to another key": _copy,
    "upload: a stream into the spool": _upload,
    "finish: the spool into a blob": _finish,
}


def run(task: Task) -> Took:
    """In a process of its own."""

    async def alone() -> Took:
        stores = await open_store(task.directory, in_memory=True, shared=Shared(blob_url=task.blob_url))
        before = _peak_bytes()
        seconds = await WAYS[task.way](stores, task.size_mib)
        await stores.close()
        return Took(seconds, _peak_bytes() - before)

    return asyncio.run(alone())


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(places: Mapping[str, str], directory: Path, size_mib: int, rounds: int) -> Sequence[Sequence[str]]:
    """Round by round, so that a disturbance falls on all of them."""
    took: dict[tuple[str, str], list[Took]] = {}
    for number in range(rounds):
        for way in WAYS:
            for name, url in places.items():
                own = directory / f"{number}-{len(took)}-{name}"
                # A place of its own: nothing is replaced, and nothing of another row is listed.
                task = Task(way, url and f"{url}/{own.name}", own, size_mib)
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                    took.setdefault((way, name), []).append(process.submit(run, task).result())
                print(f"    round {number + 1}: {way}, {name}", file=sys.stderr)
    return [_row(way, name, size_mib, passes) for (way, name), passes in took.items()]


def _row(way: str, name: str, size_mib: int, passes: Sequence[Took]) -> Sequence[str]:
    speeds = sorted(size_mib * MIB / 1e6 / one.seconds for one in passes)
    peak = max(one.peak_bytes for one in passes) / 1e6
    spread = f"({speeds[0]:,.0f}-{speeds[-1]:,.0f})"
    return (way, name, f"{statistics.median(speeds):,.0f}", spread, f"{peak:.0f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the media (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    machine = Machine.here()
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stenod-bench-")))
        (directory / "s3").mkdir()
        server = await stack.enter_async_context(running_s3(directory / "s3", volumes=VOLUMES))
        await server.make_bucket(BUCKET)
        os.environ.update(server.environment)
        places = {"directory": "", "S3": f"s3://{BUCKET}"}
        rows = await asyncio.to_thread(measure, places, directory, arguments.mib, arguments.rounds)
    print(machine)
    print(f"{arguments.mib} MiB, {arguments.rounds} rounds: medians (slowest-fastest)\n")
    print(aligned([("way", "store", "MB/s", "", "peak MB"), *rows]))


if __name__ == "__main__":
    asyncio.run(main())
