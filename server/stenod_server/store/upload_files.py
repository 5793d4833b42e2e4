"""`FileMediaSpool`: the bytes of uploads under way, one `.part` file each, until they are moved into the blob store.

The record's `offset_bytes` is what is known to be on the disk: it is written after a sync, never before. Bytes behind
it (a crash came between) are cut off when the upload goes on.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from stenod_server.domain.job import Media
from stenod_server.errors import StorageFull, StoreUnavailable
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.ports import Upload, UploadStore
from stenod_server.store import disk
from stenod_server.store.blobs import ObjectBlobStore
from stenod_server.store.faults import translated
from stenod_server.store.upload_tail import READ_BYTES, Digest, UploadTail, read_digest
from stenod_server.store.upload_writers import UploadWriters, name_of
from stenod_server.store.uploads import key_of

SYNC_EVERY_BYTES: Final = 32 * 1024 * 1024  # at most this much of a running stream is sent again after a crash


class FileMediaSpool:
    """Implements `ports.MediaSpool`. One process owns the directory: who writes is remembered in memory."""

    def __init__(
        self, directory: Path, uploads: UploadStore, blobs: ObjectBlobStore, *, min_free_bytes: int = 0
    ) -> None:
        self._directory = directory
        self._space = disk.FreeSpace(directory.parent, min_free_bytes)
        self._uploads = uploads
        self._blobs = blobs
        self._digests: dict[str, Digest] = {}
        self._writers = UploadWriters()

    async def append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        with self._writers.alone(upload):
            return await self._append(upload, chunks)

    async def finish(self, upload: Upload) -> Media:
        """Idempotent: a crash between the move and the caller's record of it is mended by calling again."""
        key = self.key(upload)
        with self._writers.alone(upload), translated():
            await self._reclaim(upload)
            os.close(await asyncio.to_thread(self._open, upload))  # for the length it gives the file
            digest = await asyncio.to_thread(self._digest, upload)
            await self._blobs.adopt(self._path(upload), key)
        self._digests.pop(name_of(upload), None)
        return Media(
            key=key, size_bytes=digest.size_bytes, sha256=digest.sha256.hexdigest(), file_name=upload.file_name
        )

    async def discard(self, upload: Upload) -> None:
        await self.erase(self.key(upload))
        await self._blobs.delete(self.key(upload))

    async def keys(self) -> Sequence[str]:
        with translated():
            return await asyncio.to_thread(lambda: [f"upload/{path.stem}" for path in self._directory.glob("*.*")])

    async def erase(self, key: str) -> None:
        name = key.rpartition("/")[2]
        self._digests.pop(name, None)
        with translated():
            await asyncio.to_thread(self._unlink, name)

    def key(self, upload: Upload) -> str:
        return key_of(upload.tenant, upload.upload_id, upload.create_time)

    # --- appending ------------------------------------------------------------------------------------------------

    async def _append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        tail = UploadTail(upload.offset_bytes)
        try:
            with translated():
                self._space.check(max(0, upload.size_bytes - upload.offset_bytes))
                await self._reclaim(upload)
                await to_its_end(asyncio.to_thread(self._open_tail, upload, tail))
            async for chunk in chunks:
                with translated():
                    await self._check_room(tail)
                    await tail.feed(chunk)
                if tail.unsynced_bytes >= SYNC_EVERY_BYTES:
                    await self._keep(upload, tail)
        finally:
            # Also when the stream broke or the caller is gone: what has arrived is not sent again. Shielded, because
            # a server that stops cancels twice.
            await asyncio.shield(self._close(upload, tail))
        return tail.written_bytes

    async def _check_room(self, tail: UploadTail) -> None:
        """Raises StorageFull. Near the mark it is known exactly only once all is written."""
        try:
            self._space.check(tail.behind_bytes)
        except StorageFull:
            await tail.drain()
            self._space.check()

    async def _close(self, upload: Upload, tail: UploadTail) -> None:
        if tail.file is None:
            return
        try:
            await self._keep(upload, tail)
        finally:
            await asyncio.to_thread(os.close, tail.file)

    async def _keep(self, upload: Upload, tail: UploadTail) -> None:
        """Sync, then say so in the record: in this order, a record never promises what the disk does not have. Where
        not all could be written, what was is kept.
        """
        try:
            with translated():
                await tail.drain()
        finally:
            with translated():
                await tail.sync()
            await self._uploads.save_upload(replace(upload, offset_bytes=tail.synced_bytes))

    def _open_tail(self, upload: Upload, tail: UploadTail) -> None:
        tail.file = self._open(upload)
        tail.digest = self._digest(upload)

    def _open(self, upload: Upload) -> int:
        """The part file, exactly `offset_bytes` long. Raises StoreUnavailable when bytes that were kept are gone."""
        disk.make_private_directory(self._directory)
        path = self._path(upload)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _check_length(file, upload)
            os.ftruncate(file, upload.offset_bytes)
            disk.sync(self._directory)
        except BaseException:
            os.close(file)
            raise
        return file

    def _digest(self, upload: Upload) -> Digest:
        """The digest of the file up to `offset_bytes`; read again from the disk unless it is remembered."""
        digest = self._digests.get(name_of(upload))
        if digest is None or digest.size_bytes != upload.offset_bytes:
            digest = read_digest(self._path(upload), upload.offset_bytes)
            self._digests[name_of(upload)] = digest
        return digest

    async def _reclaim(self, upload: Upload) -> None:
        """Fetch the file back from the blob store when a crash came after its move but before the record of it."""
        path = self._path(upload)
        if upload.offset_bytes == 0 or path.exists():
            return
        async with self._blobs.local_path(self.key(upload)) as moved:
            await asyncio.to_thread(_copy, moved, path)

    def _unlink(self, name: str) -> None:
        for path in self._directory.glob(f"{name}.*"):
            path.unlink(missing_ok=True)

    def _path(self, upload: Upload) -> Path:
        return self._directory / f"{name_of(upload)}.part"


def _check_length(file: int, upload: Upload) -> None:
    if os.fstat(file).st_size < upload.offset_bytes:
        message = f"upload {upload.upload_id!r}: the disk has fewer than the {upload.offset_bytes} bytes that were kept"
        raise StoreUnavailable(message)


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    staged = target.with_suffix(".moving")
    with source.open("rb") as reader, staged.open("wb") as writer:
        while chunk := reader.read(READ_BYTES):
            writer.write(chunk)
    disk.sync(staged)
    staged.rename(target)
