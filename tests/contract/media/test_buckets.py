"""A bucket of a real S3 server: who may use it, what a stream that fails leaves there, what a node keeps of it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest

from stenod_server.errors import InvalidField, StorageFull, StoreUnavailable
from stenod_server.fetch.buckets import open_bucket
from stenod_server.object_store.streams import PART_BYTES
from stenod_server.store import blobs as blobs_module
from stenod_server.store import bucket_url
from stenod_server.store.blobs import ObjectBlobStore, open_bucket_blobs
from stenod_server.store.bucket_url import parse_bucket
from stenod_server.store.open import Shared, open_store
from tests.support.s3_place import BUCKET, S3Place
from tests.support.tcp_proxy import TcpProxy

KEY = "media/one"
MIB = 1024 * 1024


@pytest.fixture
def blobs(bucket: S3Place, tmp_path: Path) -> ObjectBlobStore:
    return open_bucket_blobs(parse_bucket(bucket.url).below("blobs"), tmp_path / "copies")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the time there is in earnest."""
    silence = bucket_url._CLIENT["read_timeout"]
    assert isinstance(silence, timedelta)
    monkeypatch.setitem(bucket_url._CLIENT, "read_timeout", silence / 20)
    monkeypatch.setitem(bucket_url._RETRIES, "max_retries", 1)


async def _stream(size_bytes: int, *, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for _ in range(size_bytes // MIB):
        yield b"x" * MIB
    if error is not None:
        raise error


async def _uploads_under_way(bucket: S3Place) -> list[str]:
    """Parts of streams that were neither completed nor aborted."""
    async with httpx.AsyncClient(headers={"accept": "application/json"}) as client:
        answer = await client.get(f"{bucket.server.filer_url}/buckets/{BUCKET}/.uploads/")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    return [entry["FullPath"] for entry in answer.json()["Entries"] or ()]


# --- who may use it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/", "/calls", "/calls/of=2026/a.b-c/"])
async def test_a_bucket_is_tried_out_and_left_as_it_was(bucket: S3Place, prefix: str) -> None:
    await parse_bucket(f"{bucket.url}{prefix}").check()
    assert await bucket.keys() == []


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_SECRET_ACCESS_KEY", "another-secret"), ("AWS_ACCESS_KEY_ID", "another-key")]
)
async def test_wrong_credentials_keep_a_node_from_starting_and_are_not_told(
    bucket: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidField, match=r"^blob_url: s3://.* may not list there \(status 403") as caught:
        await open_store(tmp_path, shared=Shared(blob_url=bucket.url))
    for secret in (value, bucket.server.secret_key, bucket.server.access_key):
        assert secret not in str(caught.value)


async def test_credentials_that_may_only_read_are_refused_by_what_they_may_not(
    bucket: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.server.reader_key)
    with pytest.raises(InvalidField, match=r"may not write there \(status 403, AccessDenied\)"):
        await parse_bucket(bucket.url).check()


@pytest.mark.usefixtures("bucket")
async def test_a_bucket_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(InvalidField, match="there is no such bucket"):
        await parse_bucket("s3://absent/media").check()


@pytest.mark.usefixtures("bucket", "impatient")
@pytest.mark.parametrize("silent", [False, True])
async def test_a_server_that_is_away_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch, *, silent: bool) -> None:
    async with TcpProxy("127.0.0.1:1") as proxy:
        proxy.quiet = silent
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{proxy.url}")
        async with asyncio.timeout(10):
            with pytest.raises(StoreUnavailable, match=r"^blob_url: .* cannot be reached: it does not answer$"):
                await parse_bucket("s3://media/calls").check()


@pytest.mark.parametrize(
    "url",
    [
        "media", "s3:media", "s3://", "s3:///media", "http://media/calls", "s3://key:secret@media/calls",
        "s3://media/../calls", "s3://media/a//b", "s3://media/calls?versionId=1", "s3://media/a b",
    ],
)  # fmt: skip
def test_what_is_no_bucket_is_refused_by_the_name_of_the_setting(url: str) -> None:
    with pytest.raises(InvalidField, match=r"^blob_url: ") as caught:
        parse_bucket(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["gs", "az"])
async def test_other_clouds_are_asked_with_their_own_credentials(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Here there are none, which is told as such."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(InvalidField, match=f"^blob_url: {scheme}://media/calls cannot be opened"):
        await parse_bucket(f"{scheme}://media/calls").check()


# --- streams --------------------------------------------------------------------------------------------------------


class _StreamBroke(Exception):
    pass


@pytest.mark.parametrize("size_bytes", [0, MIB, 3 * PART_BYTES + MIB])
async def test_a_stream_that_breaks_leaves_no_parts(bucket: S3Place, blobs: ObjectBlobStore, size_bytes: int) -> None:
    with pytest.raises(_StreamBroke):
        await blobs.put(KEY, _stream(size_bytes, error=_StreamBroke()))
    assert (await bucket.keys(), await _uploads_under_way(bucket)) == ([], [])


@pytest.mark.parametrize("as_result", [False, True])
async def test_a_stream_whose_caller_goes_leaves_no_parts(
    bucket: S3Place, blobs: ObjectBlobStore, *, as_result: bool
) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for number in itertools.count():
            if number == 20:
                reached.set()
                await asyncio.Event().wait()
            yield b"x" * MIB

    target = open_bucket(bucket.url) if as_result else blobs
    put = asyncio.ensure_future(target.put(KEY, endless()))
    await reached.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert (await bucket.keys(), await _uploads_under_way(bucket)) == ([], [])


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_goes_away_in_mid_stream_is_told_in_seconds_and_nothing_is_visible(
    bucket: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TcpProxy(bucket.server.url.removeprefix("http://")) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{proxy.url}")
        blobs = open_bucket_blobs(parse_bucket(bucket.url).below("blobs"), tmp_path / "copies")

        async def interrupted() -> AsyncIterator[bytes]:
            async for chunk in _stream(8 * PART_BYTES):
                yield chunk
            proxy.quiet = True
            async for chunk in _stream(8 * PART_BYTES):
                yield chunk

        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable, match=r"away: it does not answer$"):
                await blobs.put(KEY, interrupted())
            proxy.quiet = True  # on a busy machine it may have been given up before
            calls = (blobs.exists(KEY), blobs.delete(KEY), blobs.copy(KEY, "media/two"), _open(blobs))
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(outcome, StoreUnavailable)
                assert not outcome.missing
        proxy.quiet = False
        assert await bucket.keys() == []
        assert await blobs.put(KEY, _stream(2 * MIB)) == 2 * MIB


async def _open(blobs: ObjectBlobStore, key: str = KEY) -> bytes:
    async with blobs.local_path(key) as path:
        return path.read_bytes()


async def test_what_the_store_cannot_copy_by_itself_is_streamed(
    blobs: ObjectBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put(KEY, _stream(12 * MIB))
    monkeypatch.setattr(blobs_module, "COPY_MAX_BYTES", 10 * MIB)
    monkeypatch.setattr(obstore, "copy_async", None)
    await blobs.copy(KEY, "media/two")
    assert await _open(blobs, "media/two") == b"x" * 12 * MIB


async def test_what_is_missing_is_told_apart_from_a_store_that_is_away(blobs: ObjectBlobStore) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await _open(blobs)
    assert caught.value.missing
    assert "http" not in caught.value.message  # neither an endpoint nor a signature


async def test_objects_that_are_none_of_ours_are_not_taken_for_blobs(bucket: S3Place, blobs: ObjectBlobStore) -> None:
    await bucket.put({"blobs/README.md": b"whose is it?", "blobs/media/a b": b"?", "somebody/elses": b"?"})
    await blobs.put(KEY, _stream(MIB))
    pages = blobs.keys()
    assert [key async for page in pages for key in page] == [KEY]


# --- copies on the node's disk --------------------------------------------------------------------------------------


async def test_a_copy_leaves_the_disk_its_room(bucket: S3Place, tmp_path: Path) -> None:
    place = parse_bucket(bucket.url).below("blobs")
    await open_bucket_blobs(place, tmp_path / "a").put(KEY, _stream(2 * MIB))
    full = open_bucket_blobs(place, tmp_path / "b", min_free_bytes=2**60)
    with pytest.raises(StorageFull):
        await _open(full)
    assert list((tmp_path / "b").iterdir()) == []


async def test_copies_that_are_still_to_be_written_count_as_written(
    bucket: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = parse_bucket(bucket.url).below("blobs")
    await open_bucket_blobs(place, tmp_path / "a").put(KEY, _stream(2 * MIB))
    together, get = asyncio.Barrier(4), obstore.get_async

    async def get_together(*arguments: Any) -> Any:
        found = await get(*arguments)
        await together.wait()
        return found

    asked: list[int] = []
    monkeypatch.setattr("stenod_server.store.disk.FreeSpace.check", lambda _, more_bytes=0: asked.append(more_bytes))
    blobs = open_bucket_blobs(place, tmp_path / "b", min_free_bytes=1)
    with monkeypatch.context() as held:
        held.setattr(obstore, "get_async", get_together)
        await asyncio.gather(*(_open(blobs) for _ in range(4)))
    assert max(asked) == 8 * MIB
    asked.clear()
    await _open(blobs)
    assert max(asked) == 2 * MIB  # nothing is counted for ever


async def test_copies_that_a_crash_left_go_at_the_next_start(bucket: S3Place, tmp_path: Path) -> None:
    (tmp_path / "media-copies").mkdir()
    (tmp_path / "media-copies" / "left").write_bytes(b"somebody's words")
    stores = await open_store(tmp_path, in_memory=True, shared=Shared(blob_url=bucket.url))
    assert list((tmp_path / "media-copies").iterdir()) == []
    assert (tmp_path / "media-copies").stat().st_mode & 0o777 == 0o700
    await stores.close()


async def test_a_copy_that_is_broken_off_leaves_nothing(
    blobs: ObjectBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put(KEY, _stream(4 * MIB))

    def breaks(*_: Any) -> None:
        raise StorageFull("no room")

    monkeypatch.setattr("stenod_server.store.disk.FreeSpace.check", breaks)
    with pytest.raises(StorageFull):
        await _open(blobs)
    assert list((tmp_path / "copies").iterdir()) == []
