"""Uploads whose bytes are files on their way into the blob store."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stenod_server.errors import StorageFull, StoreUnavailable
from stenod_server.store.blobs import ObjectBlobStore
from stenod_server.store.open import Stores, open_store
from stenod_server.store.upload_files import FileMediaSpool
from stenod_server.store.upload_tail import WRITE_BACK_BYTES
from tests.contract.media.uploading import blob, created, known, sha256, stream
from tests.support.eventually import settle


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    opened = await open_store(tmp_path / "data", in_memory=True)
    yield opened
    await opened.close()


async def test_a_write_that_is_under_way_when_the_caller_goes_ends_before_its_file_is_closed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, other = await created(stores), await created(stores)
    under_way, go_on, write = threading.Event(), threading.Event(), os.write

    def slow_write(file: int, data: memoryview) -> int:
        if bytes(data) == b"late":
            under_way.set()
            go_on.wait()
        return write(file, data)

    monkeypatch.setattr(os, "write", slow_write)
    append = asyncio.create_task(stores.spool.append(upload, stream(b"early, ", b"late")))
    await asyncio.to_thread(under_way.wait)
    append.cancel()
    await settle()

    async def meanwhile() -> AsyncIterator[bytes]:
        yield b"another's, "
        go_on.set()
        await asyncio.wait([append])
        yield b"alone"

    assert await stores.spool.append(other, meanwhile()) == len(b"another's, alone")
    media = await stores.spool.finish(await known(stores, other))
    assert media.sha256 == sha256(await blob(stores, other)) == sha256(b"another's, alone")
    assert append.cancelled()
    assert (await known(stores, upload)).offset_bytes == len(b"early, late")


async def test_of_an_upload_that_the_disk_cannot_take_all_that_it_took_is_kept(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, write = await created(stores), os.write

    def full_write(file: int, data: memoryview) -> int:
        if bytes(data) == b"too much":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_write)
        with pytest.raises(StorageFull):
            await stores.spool.append(upload, stream(b"fits, ", b"too much", b"never asked for"))
    upload = await known(stores, upload)
    assert upload.offset_bytes == len(b"fits, ")
    await stores.spool.append(upload, stream(b"and goes on"))
    media = await stores.spool.finish(await known(stores, upload))
    assert await blob(stores, upload) == b"fits, and goes on"
    assert media.sha256 == sha256(b"fits, and goes on")  # and not of what it could not take


async def test_what_the_disk_says_once_while_more_arrives_is_not_overheard(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of writing back is told to the next sync of the file, and to none after that."""
    upload, calls = await created(stores), 0

    def failing_once(_file: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def arriving() -> AsyncIterator[bytes]:
        yield bytes(WRITE_BACK_BYTES)
        while calls == 0:
            await asyncio.sleep(0.001)
            yield b"more"

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing_once)
        with pytest.raises(StoreUnavailable):
            await stores.spool.append(upload, arriving())
    assert calls == 1
    assert (await known(stores, upload)).offset_bytes == 0
    await stores.spool.append(await known(stores, upload), stream(b"sent again"))
    media = await stores.spool.finish(await known(stores, upload))
    assert media.sha256 == sha256(b"sent again")


async def test_bytes_that_were_never_promised_are_cut_off(stores: Stores, tmp_path: Path) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"promised"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    with part.open("ab") as file:
        file.write(b"\0\0\0 the tail that a power cut left")
    await stores.spool.append(await known(stores, upload), stream(b", kept"))
    media = await stores.spool.finish(await known(stores, upload))
    assert media.sha256 == sha256(b"promised, kept")
    assert await blob(stores, upload) == b"promised, kept"


async def test_bytes_that_were_promised_and_are_gone_are_the_stores_fault(stores: Stores, tmp_path: Path) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"promised"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    part.write_bytes(b"prom")
    upload = await known(stores, upload)
    with pytest.raises(StoreUnavailable):
        await stores.spool.append(upload, stream(b"!"))
    part.unlink()
    with pytest.raises(StoreUnavailable):
        await stores.spool.append(upload, stream(b"!"))


async def test_a_finished_upload_is_moved_and_not_copied(stores: Stores, tmp_path: Path) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"bytes"))
    (part,) = (tmp_path / "data" / "uploads").iterdir()
    inode = part.stat().st_ino
    await stores.spool.finish(await known(stores, upload))
    async with stores.blobs.local_path(stores.spool.key(upload)) as path:
        assert path.stat().st_ino == inode


async def test_an_upload_can_end_in_a_remote_store(stores: Stores, tmp_path: Path) -> None:
    remote = ObjectBlobStore(MemoryStore())
    spool = FileMediaSpool(tmp_path / "spool", stores.uploads, remote)
    upload = await created(stores)
    await spool.append(upload, stream(b"bytes"))
    upload = await known(stores, upload)
    media = await spool.finish(upload)
    assert await spool.finish(upload) == media  # mended from the remote store
    async with remote.local_path(media.key) as path:
        assert path.read_bytes() == b"bytes"
    assert list((tmp_path / "spool").iterdir()) == []
