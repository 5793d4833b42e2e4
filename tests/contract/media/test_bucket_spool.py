"""Uploads whose bytes are pieces in a bucket, which any node may go on with."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import obstore
import pytest

from stenod_server.errors import StenodError, StoreUnavailable, UploadNotFound, UploadOffsetMismatch
from stenod_server.ports import Upload
from stenod_server.store import bucket_spool
from stenod_server.store.blobs import ObjectBlobStore
from stenod_server.store.open import Shared, Stores, open_store
from stenod_server.store.upload_pieces import SqlUploadPieces
from tests.contract.media.uploading import blob, created, known, sha256, stream
from tests.support.postgres import DATABASE, PostgresServer
from tests.support.s3_place import S3Place

Nodes = tuple[Stores, Stores]


@pytest.fixture
async def nodes(bucket: S3Place, postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Nodes]:
    """Two nodes of a cluster."""
    shared = Shared(database_url=postgres.url(DATABASE), blob_url=bucket.url)
    first, second = [await open_store(tmp_path / node, shared=shared) for node in ("first", "second")]
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def stores(bucket: S3Place, tmp_path: Path) -> AsyncIterator[Stores]:
    opened = await open_store(tmp_path / "data", in_memory=True, shared=Shared(blob_url=bucket.url))
    yield opened
    await opened.close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_spool, "PIECE_BYTES", 4)
    monkeypatch.setattr(bucket_spool, "LEAST_PIECE_BYTES", 4)


async def test_any_node_takes_the_next_stream_and_the_last_one_finishes(nodes: Nodes) -> None:
    first, second = nodes
    upload = await created(first)
    await first.spool.append(upload, stream(b"one, "))
    await second.spool.append(await known(second, upload), stream(b"two, "))
    await first.spool.append(await known(first, upload), stream(b"three"))
    media = await second.spool.finish(await known(second, upload))
    assert media.sha256 == sha256(b"one, two, three")
    assert await blob(first, upload) == b"one, two, three"


async def test_of_two_nodes_at_the_same_place_one_is_the_first_and_no_byte_is_doubled(
    nodes: Nodes, bucket: S3Place
) -> None:
    upload = await created(nodes[0])
    outcomes = await asyncio.gather(
        *(node.spool.append(upload, stream(b"same bytes")) for node in nodes), return_exceptions=True
    )
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, UploadOffsetMismatch)]
    assert refused.metadata["offset_bytes"] == "10"
    assert len(await bucket.keys()) == 1  # nothing is left of the second
    media = await nodes[1].spool.finish(await known(nodes[1], upload))
    assert media.sha256 == sha256(b"same bytes")


async def test_a_node_that_knows_too_little_does_not_finish(nodes: Nodes) -> None:
    first, second = nodes
    upload = await created(first)
    await first.spool.append(upload, stream(b"all that the first knows of"))
    stale = await known(first, upload)
    await second.spool.append(stale, stream(b", and more"))
    with pytest.raises(UploadOffsetMismatch):
        await first.spool.finish(stale)
    with pytest.raises(UploadOffsetMismatch):
        await first.uploads.save_upload(replace(stale, complete=True, size_bytes=stale.offset_bytes, sha256="f00"))


@pytest.mark.usefixtures("small_pieces")
async def test_pieces_are_put_together_in_their_order(stores: Stores, bucket: S3Place) -> None:
    """Also where one is as long as others together, and there are more than a listing shows in the order of numbers."""
    upload, data = await created(stores), b"".join(b"%04d" % number for number in range(12))
    await stores.spool.append(upload, stream(*(data[at : at + 4] for at in range(0, 40, 4))))
    await stores.spool.append(await known(stores, upload), stream(data[40:]))
    assert len(await bucket.keys()) == 11
    assert (await stores.spool.finish(await known(stores, upload))).sha256 == sha256(data)
    assert await blob(stores, upload) == data
    assert len(await bucket.keys()) == 1


async def test_the_more_streams_there_are_the_smaller_are_their_pieces(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_spool, "BUFFERED_BYTES", 16)
    monkeypatch.setattr(bucket_spool, "LEAST_PIECE_BYTES", 2)
    uploads = [await created(stores) for _ in range(4)]
    arrived = asyncio.Barrier(len(uploads))

    async def slowly() -> AsyncIterator[bytes]:
        await arrived.wait()
        yield b"1234"
        await arrived.wait()

    offsets = []

    async def look() -> None:
        offsets.append([(await known(stores, upload)).offset_bytes for upload in uploads])

    async def watched() -> AsyncIterator[bytes]:
        await arrived.wait()
        yield b"1234"
        await look()
        await arrived.wait()

    chunks = [slowly(), slowly(), slowly(), watched()]
    await asyncio.gather(*(stores.spool.append(*each) for each in zip(uploads, chunks, strict=True)))
    assert offsets[0][3] == 4  # kept before its stream ended


class _Broken(Exception):
    pass


async def test_a_piece_that_does_not_arrive_is_not_promised(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"kept"))
    with monkeypatch.context() as away:
        away.setattr(obstore, "put_async", _fails)
        with pytest.raises(StoreUnavailable):
            await stores.spool.append(await known(stores, upload), stream(b", lost"))
    assert (await known(stores, upload)).offset_bytes == 4
    await stores.spool.append(await known(stores, upload), stream(b", sent again"))
    assert (await stores.spool.finish(await known(stores, upload))).sha256 == sha256(b"kept, sent again")


async def _fails(*_: object, **__: object) -> None:
    raise OSError("the bucket is away")


@pytest.mark.parametrize("step", ["blob", "records", "objects"])
async def test_a_crash_in_the_middle_of_finishing_is_mended(
    stores: Stores, bucket: S3Place, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"all "))
    await stores.spool.append(await known(stores, upload), stream(b"of it"))
    upload = await known(stores, upload)
    breaks = {
        "blob": (ObjectBlobStore, "put"),
        "records": (SqlUploadPieces, "forget"),
        "objects": (obstore, "delete_async"),
    }
    with monkeypatch.context() as crash:
        crash.setattr(*breaks[step], _fails)
        with pytest.raises((OSError, StenodError)):
            await stores.spool.finish(upload)
    assert await stores.spool.append(upload, stream()) == 9
    media = await stores.spool.finish(upload)
    assert media.sha256 == sha256(b"all of it")
    assert await blob(stores, upload) == b"all of it"
    await stores.spool.discard(upload)
    assert await bucket.keys() == []


async def test_an_upload_is_put_together_although_its_caller_loses_patience(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"all of it"))
    upload = await known(stores, upload)
    begun, go_on, puts, put = asyncio.Event(), asyncio.Event(), [], ObjectBlobStore.put

    async def slow_put(self: ObjectBlobStore, key: str, chunks: AsyncIterator[bytes]) -> int:
        puts.append(key)
        begun.set()
        await go_on.wait()
        return await put(self, key, chunks)

    monkeypatch.setattr(ObjectBlobStore, "put", slow_put)
    impatient = asyncio.create_task(stores.spool.finish(upload))
    await begun.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await stores.spool.append(upload, stream()) == 9  # comes back, with nothing to send
    with pytest.raises(UploadOffsetMismatch):
        await stores.spool.append(upload, stream(b" and more"))
    again = asyncio.create_task(stores.spool.finish(upload))
    go_on.set()
    assert (await again).sha256 == sha256(b"all of it")
    assert len(puts) == 1


async def test_a_piece_that_is_gone_is_the_stores_fault(stores: Stores, bucket: S3Place) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"promised"))
    (piece,) = await bucket.keys()
    await obstore.delete_async(bucket.store, piece)
    with pytest.raises(StoreUnavailable, match="NoSuchKey") as caught:
        await stores.spool.finish(await known(stores, upload))
    assert caught.value.missing


async def test_what_an_upload_leaves_behind_is_found_by_its_objects_and_erased(stores: Stores, bucket: S3Place) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"bytes"))
    assert await stores.uploads.delete_expired(upload, upload.expire_time)
    assert await stores.spool.keys() == [stores.spool.key(upload)]
    assert await stores.retention.named(await stores.spool.keys()) == set()
    keys_of_blobs = stores.blobs.keys()
    assert [page async for page in keys_of_blobs] == []  # a piece is no blob, nor one without a name
    await stores.spool.erase(stores.spool.key(upload))
    assert await bucket.keys() == []
    assert await _pieces(stores, upload) == 0


async def _pieces(stores: Stores, upload: Upload) -> int:
    assert isinstance(stores.spool, bucket_spool.BucketMediaSpool)
    return len(await stores.spool._pieces.of(stores.spool.key(upload).removeprefix("upload/")))


async def test_an_upload_that_was_deleted_meanwhile_takes_no_more(stores: Stores) -> None:
    upload = await created(stores)
    assert await stores.uploads.delete_expired(upload, upload.expire_time)
    with pytest.raises(UploadNotFound):
        await stores.spool.append(upload, stream(b"late"))
