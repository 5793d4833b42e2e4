"""What every BlobStore does: files in a directory, an object store in memory, and a bucket of a real S3 server."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stenod_server.errors import Broken, StoreUnavailable
from stenod_server.object_store.streams import PART_BYTES
from stenod_server.store.blobs import ObjectBlobStore, open_bucket_blobs, open_local_blobs
from stenod_server.store.bucket_url import parse_bucket
from tests.support.s3_place import S3Place

KEY = "media/one"


@pytest.fixture(params=["directory", "object-store", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectBlobStore:
    match request.param:
        case "directory":
            return open_local_blobs(tmp_path / "blobs")
        case "object-store":
            return ObjectBlobStore(MemoryStore())
        case _:
            place: S3Place = request.getfixturevalue("bucket")
            return open_bucket_blobs(parse_bucket(place.url).below("blobs"), tmp_path / "copies")


async def _stream(*chunks: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def _read(blobs: ObjectBlobStore, key: str) -> bytes:
    async with blobs.local_path(key) as path:
        return await asyncio.to_thread(path.read_bytes)


async def test_a_stream_is_stored_whole(blobs: ObjectBlobStore) -> None:
    chunks = [os.urandom(700_000) for _ in range(3 * PART_BYTES // 700_000 + 1)]
    assert await blobs.put(KEY, _stream(*chunks)) == sum(map(len, chunks))
    assert hashlib.sha256(await _read(blobs, KEY)).digest() == hashlib.sha256(b"".join(chunks)).digest()


@pytest.mark.parametrize("chunks", [[], [b""], [b"x"], [b"", b"x", b""]])
async def test_a_small_stream_is_stored_whole(blobs: ObjectBlobStore, chunks: list[bytes]) -> None:
    assert await blobs.put(KEY, _stream(*chunks)) == len(b"".join(chunks))
    assert await _read(blobs, KEY) == b"".join(chunks)


async def test_a_blob_put_again_is_replaced(blobs: ObjectBlobStore) -> None:
    await blobs.put(KEY, _stream(b"longer than the next"))
    await blobs.put(KEY, _stream(b"next"))
    assert await _read(blobs, KEY) == b"next"


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(3_000_000)], ids=len)
async def test_what_is_whole_is_stored_as_a_stream_of_it_is(blobs: ObjectBlobStore, data: bytes) -> None:
    await blobs.put(KEY, _stream(b"what was there"))
    await asyncio.wrap_future(await blobs.put_whole(KEY, data))
    assert await _read(blobs, KEY) == data
    pages = [page async for page in blobs.keys()]  # noqa: SIM118  no mapping
    assert pages == [[KEY]]


class _StreamBroke(Exception):
    pass


@pytest.mark.parametrize("size_bytes", [1, PART_BYTES + 1])
async def test_a_stream_that_breaks_stores_nothing(blobs: ObjectBlobStore, size_bytes: int) -> None:
    with pytest.raises(_StreamBroke):
        await blobs.put(KEY, _stream(b"x" * size_bytes, error=_StreamBroke()))
    assert not await blobs.exists(KEY)


async def test_a_stream_that_is_cancelled_stores_nothing(blobs: ObjectBlobStore) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * (PART_BYTES + 1)
        reached.set()
        await asyncio.Event().wait()

    put = asyncio.create_task(blobs.put(KEY, endless()))
    await reached.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert not await blobs.exists(KEY)


async def test_a_copy_outlives_its_source(blobs: ObjectBlobStore) -> None:
    await blobs.put(KEY, _stream(b"bytes"))
    await blobs.copy(KEY, "media/two")
    await blobs.delete(KEY)
    assert not await blobs.exists(KEY)
    assert await _read(blobs, "media/two") == b"bytes"


async def test_deleting_what_is_not_there_is_no_error(blobs: ObjectBlobStore) -> None:
    await blobs.put(KEY, _stream(b"bytes"))
    await blobs.delete(KEY)
    await blobs.delete(KEY)
    assert not await blobs.exists(KEY)


async def test_a_missing_blob_is_the_stores_fault(blobs: ObjectBlobStore) -> None:
    with pytest.raises(StoreUnavailable):
        await _read(blobs, KEY)
    with pytest.raises(StoreUnavailable):
        await blobs.copy(KEY, "media/two")


async def test_an_adopted_file_is_a_blob_and_gone_from_its_place(blobs: ObjectBlobStore, tmp_path: Path) -> None:
    path = tmp_path / "upload.part"
    path.write_bytes(b"bytes")
    await blobs.adopt(path, KEY)
    assert await _read(blobs, KEY) == b"bytes"
    assert not path.exists()


@pytest.mark.parametrize(
    "key", ["", "media", "../up", "media/../../etc", "/etc/passwd", "media/a b", "media//a", "media/.."]
)
async def test_a_key_that_could_leave_the_store_is_a_defect(blobs: ObjectBlobStore, key: str) -> None:
    for call in (blobs.put(key, _stream(b"")), blobs.exists(key), blobs.delete(key), _read(blobs, key)):
        with pytest.raises(Broken):
            await call


async def test_a_local_blob_is_read_in_place(tmp_path: Path) -> None:
    blobs = open_local_blobs(tmp_path / "blobs")
    await blobs.put(KEY, _stream(b"bytes"))
    async with blobs.local_path(KEY) as path:
        assert path == tmp_path / "blobs" / "media" / "one"
    assert path.exists()
    await blobs.copy(KEY, "media/two")
    async with blobs.local_path("media/two") as link:
        assert link.stat().st_ino == path.stat().st_ino  # a link: a copy of two gigabytes costs nothing


async def test_a_local_copy_of_a_remote_blob_goes_with_its_context() -> None:
    blobs = ObjectBlobStore(MemoryStore())
    await blobs.put(KEY, _stream(b"bytes"))
    async with blobs.local_path(KEY) as path:
        assert path.read_bytes() == b"bytes"
    assert not path.exists()


async def test_the_directory_is_the_owners_alone(tmp_path: Path) -> None:
    open_local_blobs(tmp_path / "data" / "blobs")
    assert (tmp_path / "data" / "blobs").stat().st_mode & 0o777 == 0o700
