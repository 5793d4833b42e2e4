"""Uploads: their records, and their bytes on the way into the blob store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from stenod_server.errors import UploadNotFound, UploadOffsetMismatch
from stenod_server.store import bucket_spool, upload_files
from stenod_server.store.open import Stores
from tests.contract.media.conftest import Held, Reopen
from tests.contract.media.uploading import blob, created, known, sha256, stream
from tests.support.builders import START

# --- records --------------------------------------------------------------------------------------------------------


async def test_an_upload_comes_back_as_it_was_stored(stores: Stores) -> None:
    upload = await created(stores, file_name="Rede.mp3", size_bytes=2**33)
    assert await known(stores, upload) == upload


async def test_an_id_used_again_gives_the_upload_that_is_there(stores: Stores) -> None:
    first = await created(stores, upload_id="mine")
    assert await created(stores, upload_id="mine", file_name="other.wav") == first


async def test_fifty_creations_at_once_make_one_upload(stores: Stores) -> None:
    made = await asyncio.gather(*(created(stores, upload_id="mine", file_name=f"{i}") for i in range(50)))
    assert len({upload.file_name for upload in made}) == 1


async def test_another_tenants_upload_does_not_exist(stores: Stores) -> None:
    mine = await created(stores, tenant="a", upload_id="same")
    with pytest.raises(UploadNotFound):
        await stores.uploads.get_upload("b", "same")
    theirs = await created(stores, tenant="b", upload_id="same", file_name="theirs")
    assert await stores.uploads.delete_expired(theirs, theirs.expire_time)
    assert await known(stores, mine) == mine
    assert stores.spool.key(mine) != stores.spool.key(theirs)


async def test_a_saved_upload_has_its_changes(stores: Stores) -> None:
    upload = replace(await created(stores), offset_bytes=5, size_bytes=5, complete=True, sha256="f00")
    await stores.uploads.save_upload(upload)
    assert await known(stores, upload) == upload


async def test_saving_does_not_bring_a_deleted_upload_back(stores: Stores) -> None:
    upload = await created(stores)
    assert await stores.uploads.delete_expired(upload, upload.expire_time)
    await stores.uploads.save_upload(upload)
    with pytest.raises(UploadNotFound):
        await known(stores, upload)


async def test_an_upload_that_somebody_went_on_with_is_not_taken_back(stores: Stores) -> None:
    stale = await created(stores)
    ahead = replace(stale, offset_bytes=5, size_bytes=5)
    await stores.uploads.save_upload(ahead)
    with pytest.raises(UploadOffsetMismatch) as caught:
        await stores.uploads.save_upload(stale)
    assert caught.value.metadata["offset_bytes"] == "5"
    complete = replace(ahead, complete=True, sha256="f00")
    await stores.uploads.save_upload(complete)
    with pytest.raises(UploadOffsetMismatch):
        await stores.uploads.save_upload(ahead)
    assert await known(stores, stale) == complete


async def test_an_upload_that_is_gone_on_with_is_not_deleted_as_expired(stores: Stores) -> None:
    upload = await created(stores, expire_time=START)
    await stores.uploads.save_upload(replace(upload, expire_time=START + timedelta(hours=1)))
    assert not await stores.uploads.delete_expired(upload, START)
    assert (await known(stores, upload)).expire_time == START + timedelta(hours=1)


async def test_expired_uploads_are_those_whose_time_is_up(stores: Stores) -> None:
    later = await created(stores, expire_time=START + timedelta(seconds=2))
    soon = await created(stores, expire_time=START + timedelta(seconds=1))
    assert await stores.uploads.expired_uploads(START) == []
    assert await stores.uploads.expired_uploads(soon.expire_time) == [soon]
    assert await stores.uploads.expired_uploads(later.expire_time) == [soon, later]


# --- bytes ----------------------------------------------------------------------------------------------------------


async def test_an_upload_in_two_streams_is_one_file(stores: Stores) -> None:
    upload = await created(stores)
    assert await stores.spool.append(upload, stream(b"one ", b"two ")) == 8
    upload = await known(stores, upload)
    assert upload.offset_bytes == 8
    assert await stores.spool.append(upload, stream(b"three")) == 13
    media = await stores.spool.finish(await known(stores, upload))
    assert (media.size_bytes, media.sha256, media.key) == (13, sha256(b"one two three"), stores.spool.key(upload))
    assert await blob(stores, upload) == b"one two three"


async def test_what_arrived_before_the_stream_broke_is_kept(stores: Stores) -> None:
    upload = await created(stores)
    with pytest.raises(ZeroDivisionError):
        await stores.spool.append(upload, stream(b"kept", error=ZeroDivisionError()))
    upload = await known(stores, upload)
    assert upload.offset_bytes == 4
    await stores.spool.append(upload, stream(b" and more"))
    media = await stores.spool.finish(await known(stores, upload))
    assert media.sha256 == sha256(b"kept and more")


async def test_what_arrived_before_the_caller_went_away_is_kept(stores: Stores) -> None:
    upload = await created(stores)
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
    assert (await known(stores, upload)).offset_bytes == 4


async def test_a_second_writer_is_refused_while_the_first_one_writes(stores: Stores) -> None:
    upload, other = await created(stores), await created(stores)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        reached.set()
        await go_on.wait()

    append = asyncio.create_task(stores.spool.append(upload, slow()))
    await reached.wait()
    with pytest.raises(UploadOffsetMismatch):
        await stores.spool.append(upload, stream(b"second"))
    with pytest.raises(UploadOffsetMismatch):
        await stores.spool.finish(upload)
    assert await stores.spool.append(other, stream(b"another upload")) == 14
    go_on.set()
    assert await append == 5
    assert await stores.spool.append(await known(stores, upload), stream()) == 5


async def test_a_long_stream_is_kept_as_it_arrives(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_files, "SYNC_EVERY_BYTES", 10)
    monkeypatch.setattr(bucket_spool, "PIECE_BYTES", 10)
    monkeypatch.setattr(bucket_spool, "LEAST_PIECE_BYTES", 10)
    upload = await created(stores)
    offsets = []

    async def watched() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"12345"
            offsets.append((await known(stores, upload)).offset_bytes)

    await stores.spool.append(upload, watched())
    assert offsets == [0, 10, 10, 20]


async def test_an_upload_goes_on_after_a_restart(reopen: Reopen) -> None:
    first = await reopen()
    upload = await created(first)
    await first.spool.append(upload, stream(b"before, "))
    await first.close()
    second = await reopen()
    await second.spool.append(await known(second, upload), stream(b"after"))
    media = await second.spool.finish(await known(second, upload))
    assert media.sha256 == sha256(b"before, after")
    await second.close()


async def test_a_crash_between_the_move_and_its_record_is_mended(reopen: Reopen) -> None:
    first = await reopen()
    upload = await created(first)
    await first.spool.append(upload, stream(b"all of it"))
    upload = await known(first, upload)
    media = await first.spool.finish(upload)
    await first.close()  # before the caller could say `complete`
    second = await reopen()
    assert await second.spool.append(upload, stream()) == 9
    assert await second.spool.finish(upload) == media
    assert await second.spool.finish(upload) == media
    assert await blob(second, upload) == b"all of it"
    await second.close()


async def test_an_upload_that_was_finished_without_a_record_of_it_can_be_gone_on_with(stores: Stores) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"all of it"))
    await stores.spool.finish(await known(stores, upload))
    assert await stores.spool.append(await known(stores, upload), stream(b", and more")) == 19
    media = await stores.spool.finish(await known(stores, upload))
    assert media.sha256 == sha256(b"all of it, and more")
    assert await blob(stores, upload) == b"all of it, and more"


async def test_an_empty_upload_can_be_finished(stores: Stores) -> None:
    upload = await created(stores)
    assert await stores.spool.append(upload, stream()) == 0
    assert (await stores.spool.finish(upload)).sha256 == sha256(b"")


@pytest.mark.parametrize("finished", [False, True])
async def test_a_discarded_upload_leaves_nothing(stores: Stores, held: Held, *, finished: bool) -> None:
    upload = await created(stores)
    await stores.spool.append(upload, stream(b"bytes"))
    if finished:
        await stores.spool.finish(await known(stores, upload))
    await stores.spool.discard(upload)
    await stores.spool.discard(upload)
    assert await held() == []
    assert await stores.spool.keys() == []
