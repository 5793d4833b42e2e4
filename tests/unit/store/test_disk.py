"""What is acknowledged has been synced: the bytes, and every name on the way to them."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stenod_server.store.open import Stores, open_store
from tests.support.builders import make_upload


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were synced, in order."""
    paths: list[Path] = []
    fsync = os.fsync

    def recorded(file: int) -> None:
        paths.append(Path(f"/proc/self/fd/{file}").readlink())
        fsync(file)

    monkeypatch.setattr(os, "fsync", recorded)
    return paths


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    opened = await open_store(tmp_path / "new" / "data", in_memory=True)
    yield opened
    await opened.close()


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_new_data_directory_is_synced_from_the_top(synced: list[Path], tmp_path: Path) -> None:
    await (await open_store(tmp_path / "new" / "data")).close()
    data = tmp_path / "new" / "data"
    assert synced == [tmp_path, data.parent, data, data]  # new/, data/, blobs/, stenod.db


async def test_a_blob_is_synced_before_put_returns(stores: Stores, synced: list[Path], tmp_path: Path) -> None:
    await stores.blobs.put("media/one", _stream(b"bytes"))
    root = tmp_path / "new" / "data" / "blobs"
    assert synced == [root / "media" / "one", root / "media", root]


async def test_a_blob_that_is_whole_is_synced_before_it_is_stored(
    stores: Stores, synced: list[Path], tmp_path: Path
) -> None:
    await asyncio.wrap_future(await stores.blobs.put_whole("media/one", b"bytes"))
    root = tmp_path / "new" / "data" / "blobs"
    assert synced == [root / "media" / "one", root / "media", root]
    synced.clear()
    await asyncio.wrap_future(await stores.blobs.put_whole("media/two", b"bytes"))
    assert synced == [root / "media" / "two", root / "media"]  # whose own name is synced


async def test_a_copy_is_synced_before_it_returns(stores: Stores, synced: list[Path], tmp_path: Path) -> None:
    await stores.blobs.put("upload/one", _stream(b"bytes"))
    synced.clear()
    await stores.blobs.copy("upload/one", "media/one")
    root = tmp_path / "new" / "data" / "blobs"
    assert synced == [root / "media", root]


async def test_an_offset_is_recorded_after_its_bytes_are_synced(stores: Stores, synced: list[Path]) -> None:
    upload = await stores.uploads.create_upload(make_upload())
    synced.clear()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"bytes"
        arrived.set()
        await go_on.wait()

    append = asyncio.create_task(stores.spool.append(upload, slow()))
    await arrived.wait()
    assert [path.name for path in synced] == ["data", "uploads"]  # the names alone, so far
    assert (await stores.uploads.get_upload("default", upload.upload_id)).offset_bytes == 0
    go_on.set()
    await append
    assert synced[-1].suffix == ".part"
    assert (await stores.uploads.get_upload("default", upload.upload_id)).offset_bytes == 5


async def test_a_finished_upload_is_synced_under_its_new_name(
    stores: Stores, synced: list[Path], tmp_path: Path
) -> None:
    upload = await stores.uploads.create_upload(make_upload())
    await stores.spool.append(upload, _stream(b"bytes"))
    synced.clear()
    await stores.spool.finish(await stores.uploads.get_upload("default", upload.upload_id))
    root = tmp_path / "new" / "data" / "blobs"
    assert synced[-3:] == [root / "upload", root, tmp_path / "new" / "data" / "uploads"]
