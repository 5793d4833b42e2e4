"""Uploads: their records, and their bytes on the way into the blob store."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stenod_server.errors import StoreUnavailable, UploadNotFound, UploadOffsetMismatch
from stenod_server.ports import Upload
from stenod_server.store import upload_files
from stenod_server.store.blobs import ObjectBlobStore
from stenod_server.store.open import Stores
from stenod_server.store.upload_files import FileMediaSpool
from tests.support.builders import START, make_upload
from tests.support.eventually import settle

Reopen = Callable[[], Awaitable[Stores]]


async def _stream(*chunks: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def _created(stores: Stores, **changes: object) -> Upload:
    return await stores.uploads.create_upload(make_upload(**changes))


async def _known(stores: Stores, upload: Upload) -> Upload:
    return await stores.uploads.get_upload(upload.tenant, upload.upload_id)


async def _blob(stores: Stores, upload: Upload) -> bytes:
    async with stores.blobs.local_path(stores.spool.key(upload)) as path:
        return path.read_bytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- records --------------------------------------------------------------------------------------------------------


async def test_an_upload_comes_back_as_it_was_stored(stores: Stores) -> None:
    upload = await _created(stores, file_name="Rede.mp3", size_bytes=2**33)
    assert await _known(stores, upload) == upload


async def test_an_id_used_again_gives_the_upload_that_is_there(stores: Stores) -> None:
    first = await _created(stores, upload_id="mine")
    assert await _created(stores, upload_id="mine", file_name="other.wav") == first


async def test_fifty_creations_at_once_make_one_upload(stores: Stores) -> None:
    made = await asyncio.gather(*(_created(stores, upload_id="mine", file_name=f"{i}") for i in range(50)))
    assert len({upload.file_name for upload in made}) == 1


async def test_another_tenants_upload_does_not_exist(stores: Stores) -> None:
    mine = await _created(stores, tenant="a", upload_id="same")
    with pytest.raises(UploadNotFound):
        await stores.uploads.get_upload("b", "same")
    theirs = await _created(stores, tenant="b", upload_id="same", file_name="theirs")
    assert await stores.uploads.delete_expired(theirs, theirs.expire_time)
    assert await _known(stores, mine) == mine
    assert stores.spool.key(mine) != stores.spool.key(theirs)


async def test_a_saved_upload_has_its_changes(stores: Stores) -> None:
    upload = replace(await _created(stores), offset_bytes=5, size_bytes=5, complete=True, sha256="f00")
    await stores.uploads.save_upload(upload)
    assert await _known(stores, upload) == upload


async def test_saving_does_not_bring_a_deleted_upload_back(stores: Stores) -> None:
    upload = await _created(stores)
    assert await stores.uploads.delete_expired(upload, upload.expire_time)
    await stores.uploads.save_upload(upload)
    with pytest.raises(UploadNotFound):
        await _known(stores, upload)


async def test_an_upload_that_is_gone_on_with_is_not_deleted_as_expired(stores: Stores) -> None:
    upload = await _created(stores, expire_time=START)
    await stores.uploads.save_upload(replace(upload, expire_time=START + timedelta(hours=1)))
    assert not await stores.uploads.delete_expired(upload, START)
    assert (await _known(stores, upload)).expire_time == START + timedelta(hours=1)


async def test_expired_uploads_are_those_whose_time_is_up(stores: Stores) -> None:
    later = await _created(stores, expire_time=START + timedelta(seconds=2))
    soon = await _created(stores, expire_time=START + timedelta(seconds=1))
    assert await stores.uploads.expired_uploads(START) == []
    assert await stores.uploads.expired_uploads(soon.expire_time) == [soon]
    assert await stores.uploads.expired_uploads(later.expire_time) == [soon, later]


# --- bytes ----------------------------------------------------------------------------------------------------------


async def test_an_upload_in_two_streams_is_one_file(stores: Stores) -> None:
    upload = await _created(stores)
    assert await stores.spool.append(upload, _stream(b"one ", b"two ")) == 8
    upload = await _known(stores, upload)
    assert upload.offset_bytes == 8
    assert await stores.spool.append(upload, _stream(b"three")) == 13
    media = await stores.spool.finish(await _known(stores, upload))
    assert (media.size_bytes, media.sha256, media.key) == (13, _sha256(b"one two three"), stores.spool.key(upload))
    assert await _blob(stores, upload) == b"one two three"


async def test_what_arrived_before_the_stream_broke_is_kept(stores: Stores) -> None:
    upload = await _created(stores)
    with pytest.raises(ZeroDivisionError):
        await stores.spool.append(upload, _stream(b"kept", error=ZeroDivisionError()))
    upload = await _known(stores, upload)
    assert upload.offset_bytes == 4
    await stores.spool.append(upload, _stream(b" and more"))
    media = await stores.spool.finish(await _known(stores, upload))
    assert media.sha256 == _sha256(b"kept and more")


async def test_what_arrived_before_the_caller_went_away_is_kept(stores: Stores) -> None:
    upload = await _created(stores)
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"kept"
        reached.set()
        await asyncio.Event().wait()

    append = asyncio.create_task(stores.spool.append(upload, endless()))
    await reached.wait()
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    assert (await _known(stores, upload)).offset_bytes == 4


async def test_a_write_that_is_under_way_when_the_caller_goes_ends_before_its_file_is_closed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, other = await _created(stores), await _created(stores)
    under_way, go_on, write = threading.Event(), threading.Event(), os.write

    def slow_write(file: int, data: memoryview) -> int:
        if bytes(data) == b"late":
            under_way.set()
            go_on.wait()
        return write(file, data)

    monkeypatch.setattr(os, "write", slow_write)
    append = asyncio.create_task(stores.spool.append(upload, _stream(b"early, ", b"late")))
    await asyncio.to_thread(under_way.wait)
    append.cancel()
    await settle()

    async def meanwhile() -> AsyncIterator[bytes]:
        yield b"another's, "
        go_on.set()
        await asyncio.wait([append])
        yield b"alone"

    assert await stores.spool.append(other, meanwhile()) == len(b"another's, alone")
    media = await stores.spool.finish(await _known(stores, other))
    assert media.sha256 == _sha256(await _blob(stores, other)) == _sha256(b"another's, alone")
    assert append.cancelled()
    assert (await _known(stores, upload)).offset_bytes == len(b"early, late")


async def test_a_second_writer_is_refused_while_the_first_one_writes(stores: Stores) -> None:
    upload, other = await _created(stores), await _created(stores)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        reached.set()
        await go_on.wait()

    append = asyncio.create_task(stores.spool.append(upload, slow()))
    await reached.wait()
    with pytest.raises(UploadOffsetMismatch):
        await stores.spool.append(upload, _stream(b"second"))
    with pytest.raises(UploadOffsetMismatch):
        await stores.spool.finish(upload)
    assert await stores.spool.append(other, _stream(b"another upload")) == 14
    go_on.set()
    assert await append == 5
    assert await stores.spool.append(await _known(stores, upload), _stream()) == 5


async def test_a_long_stream_is_kept_as_it_arrives(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_files, "SYNC_EVERY_BYTES", 10)
    upload = await _created(stores)
    offsets = []

    async def watched() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"12345"
            offsets.append((await _known(stores, upload)).offset_bytes)

    await stores.spool.append(upload, watched())
    assert offsets == [0, 10, 10, 20]


async def test_an_upload_goes_on_after_a_restart(reopen: Reopen) -> None:
    first = await reopen()
    upload = await _created(first)
    await first.spool.append(upload, _stream(b"before, "))
    await first.close()
    second = await reopen()
    await second.spool.append(await _known(second, upload), _stream(b"after"))
    media = await second.spool.finish(await _known(second, upload))
    assert media.sha256 == _sha256(b"before, after")
    await second.close()


async def test_bytes_that_were_never_promised_are_cut_off(reopen: Reopen, tmp_path: Path) -> None:
    stores = await reopen()
    upload = await _created(stores)
    await stores.spool.append(upload, _stream(b"promised"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    with part.open("ab") as file:
        file.write(b"\0\0\0 the tail that a power cut left")
    await stores.spool.append(await _known(stores, upload), _stream(b", kept"))
    media = await stores.spool.finish(await _known(stores, upload))
    assert media.sha256 == _sha256(b"promised, kept")
    assert await _blob(stores, upload) == b"promised, kept"
    await stores.close()


async def test_bytes_that_were_promised_and_are_gone_are_the_stores_fault(reopen: Reopen, tmp_path: Path) -> None:
    stores = await reopen()
    upload = await _created(stores)
    await stores.spool.append(upload, _stream(b"promised"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    part.write_bytes(b"prom")
    upload = await _known(stores, upload)
    with pytest.raises(StoreUnavailable):
        await stores.spool.append(upload, _stream(b"!"))
    part.unlink()
    with pytest.raises(StoreUnavailable):
        await stores.spool.append(upload, _stream(b"!"))
    await stores.close()


async def test_a_crash_between_the_move_and_its_record_is_mended(reopen: Reopen) -> None:
    first = await reopen()
    upload = await _created(first)
    await first.spool.append(upload, _stream(b"all of it"))
    upload = await _known(first, upload)
    media = await first.spool.finish(upload)
    await first.close()  # before the caller could say `complete`
    second = await reopen()
    assert await second.spool.append(upload, _stream()) == 9
    assert await second.spool.finish(upload) == media
    assert await second.spool.finish(upload) == media
    assert await _blob(second, upload) == b"all of it"
    await second.close()


async def test_an_empty_upload_can_be_finished(stores: Stores) -> None:
    upload = await _created(stores)
    assert await stores.spool.append(upload, _stream()) == 0
    assert (await stores.spool.finish(upload)).sha256 == _sha256(b"")


@pytest.mark.parametrize("finished", [False, True])
async def test_a_discarded_upload_leaves_nothing(stores: Stores, tmp_path: Path, *, finished: bool) -> None:
    upload = await _created(stores)
    await stores.spool.append(upload, _stream(b"bytes"))
    if finished:
        await stores.spool.finish(await _known(stores, upload))
    await stores.spool.discard(upload)
    await stores.spool.discard(upload)
    left = [path for name in ("uploads", "blobs") for path in (tmp_path / "data" / name).rglob("*") if path.is_file()]
    assert left == []


async def test_a_finished_upload_is_moved_and_not_copied(reopen: Reopen, tmp_path: Path) -> None:
    stores = await reopen()
    upload = await _created(stores)
    await stores.spool.append(upload, _stream(b"bytes"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    inode = part.stat().st_ino
    await stores.spool.finish(await _known(stores, upload))
    async with stores.blobs.local_path(stores.spool.key(upload)) as path:
        assert path.stat().st_ino == inode
    await stores.close()


async def test_an_upload_can_end_in_a_remote_store(stores: Stores, tmp_path: Path) -> None:
    remote = ObjectBlobStore(MemoryStore())
    spool = FileMediaSpool(tmp_path / "spool", stores.uploads, remote)
    upload = await _created(stores)
    await spool.append(upload, _stream(b"bytes"))
    upload = await _known(stores, upload)
    media = await spool.finish(upload)
    assert await spool.finish(upload) == media  # mended from the remote store
    async with remote.local_path(media.key) as path:
        assert path.read_bytes() == b"bytes"
    assert list((tmp_path / "spool").iterdir()) == []
