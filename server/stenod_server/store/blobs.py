"""`ObjectBlobStore`: blobs in a local directory or in any object store that obstore knows.

A local blob is synced before `put` returns; a name shows up only once its bytes are whole (obstore stages them in files
of the name and a number, and renames). Of a bucket's blobs there are copies here while somebody reads them.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import obstore
from obstore.store import LocalStore, ObjectStore

from stenod_server.errors import Broken
from stenod_server.object_store.streams import PART_BYTES, PARTS_IN_FLIGHT, put_stream
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.store import disk
from stenod_server.store.faults import translated
from stenod_server.store.local_copies import LocalCopies

COPY_MAX_BYTES: Final = 5 * 1024**3  # what S3 copies by itself at most
LISTED: Final = 500  # keys at a time
_WRITERS: Final = 8  # they wait for the disk
_KEY: Final = re.compile(r"[a-z0-9-]+(/[A-Za-z0-9_-]+)+")


class ObjectBlobStore:
    """Implements `ports.BlobStore`. `directory` is where the store keeps its files, None where it is not local; then
    `copies` makes files of what is read.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        directory: Path | None = None,
        min_free_bytes: int = 0,
        copies: LocalCopies | None = None,
    ) -> None:
        self._store = store
        self._copies = copies or LocalCopies(Path(tempfile.gettempdir()))
        self._directory = directory
        self._space = disk.FreeSpace(directory, min_free_bytes) if directory else None
        self._writers = ThreadPoolExecutor(_WRITERS, "stenod-media-writer")
        self._lasting: set[Path] = set()  # directories whose own names were synced: each sync waits for the disk

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See the port. When `chunks` raises, its exception passes through and nothing is stored."""

        async def as_there_is_room() -> AsyncIterator[bytes]:
            size_bytes = 0
            async for chunk in chunks:
                if size_bytes // PART_BYTES != (size_bytes + len(chunk)) // PART_BYTES:
                    self._check_space()
                size_bytes += len(chunk)
                yield chunk

        with translated():
            self._check_space()
            size_bytes = await put_stream(self._store, _checked(key), as_there_is_room())
            if self._directory is not None:
                await asyncio.to_thread(_sync, self._path(key), self._directory)
        return size_bytes

    async def put_whole(self, key: str, data: bytes) -> Future[None]:
        if self._directory is not None:
            return self._writers.submit(self._write, self._path(key), data, self._directory)
        with translated():
            await to_its_end(obstore.put_async(self._store, _checked(key), data))
        return _done()

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        """The blob's own file where the store is local; else a copy that is deleted with the context."""
        if self._directory is not None:
            with translated():
                path = self._there(key)
            yield path
            return
        async with self._copies.of(self._store, _checked(key)) as path:
            yield path

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Its bytes, without a file. Raises StoreUnavailable."""
        with translated():
            found = await obstore.get_async(self._store, _checked(key))
            async for chunk in found.stream(min_chunk_size=PART_BYTES):
                yield bytes(chunk)

    async def exists(self, key: str) -> bool:
        with translated():
            try:
                await obstore.head_async(self._store, _checked(key))
            except FileNotFoundError:
                return False
        return True

    async def copy(self, source: str, target: str) -> None:
        with translated():
            if self._directory is not None:
                await asyncio.to_thread(_link, self._path(source), self._path(target), self._directory)
                return
            found = await obstore.head_async(self._store, _checked(source))
            if found["size"] > COPY_MAX_BYTES:
                await put_stream(self._store, _checked(target), self.read(source))
            else:
                await to_its_end(obstore.copy_async(self._store, source, _checked(target)))

    async def delete(self, key: str) -> None:
        with translated():
            try:
                await obstore.delete_async(self._store, _checked(key))
            except FileNotFoundError:
                return
            if self._directory is not None:
                await asyncio.to_thread(disk.sync, self._path(key).parent)

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        with translated():
            async for page in obstore.list(self._store, chunk_size=LISTED):
                yield [str(blob["path"]) for blob in page if _KEY.fullmatch(blob["path"])]  # others are not ours

    async def adopt(self, path: Path, key: str) -> None:
        """Move a synced file into the store: renamed where the store is local and on the same disk, else copied.

        Durable on return; done twice, it is done once. Raises StoreUnavailable.
        """
        with translated():
            if self._directory is not None:
                await asyncio.to_thread(_rename, path, self._path(key), self._directory)
                return
            await obstore.put_async(
                self._store, _checked(key), path, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT
            )
            await asyncio.to_thread(path.unlink)

    def _write(self, path: Path, data: bytes, root: Path) -> None:
        """All in one thread: to wake one for each step takes longer than the steps."""
        with translated():
            self._check_space()
            _stage(path, data)
            if path.parent in self._lasting:
                disk.sync(path.parent)
                return
            disk.sync_names(path, root)
            self._lasting.add(path.parent)

    def _check_space(self) -> None:
        if self._space is not None:
            self._space.check()

    def _there(self, key: str) -> Path:
        """Missing: said here, not by whoever opens it. A thread for this would take a hundred times as long."""
        path = self._path(key)
        path.stat()
        return path

    def _path(self, key: str) -> Path:
        """Of a local store only."""
        if self._directory is None:
            message = "this blob store has no files"
            raise Broken(message)
        return self._directory / _checked(key)


def open_local_blobs(directory: Path, *, min_free_bytes: int = 0) -> ObjectBlobStore:
    """Blobs as files below `directory`, which is this process's alone: what a crash left unfinished goes. Blocking."""
    disk.make_private_directory(directory)
    for staged in directory.rglob("*#*"):
        staged.unlink()
    return ObjectBlobStore(LocalStore(directory), directory=directory, min_free_bytes=min_free_bytes)


def open_bucket_blobs(store: ObjectStore, copies: Path, *, min_free_bytes: int = 0) -> ObjectBlobStore:
    """Blobs in a bucket. Copies of them are made in the directory `copies`, which is this process's alone. Blocking."""
    local = LocalCopies(copies, min_free_bytes)
    local.clear()
    return ObjectBlobStore(store, copies=local)


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _checked(key: str) -> str:
    """Keys are ours; one that could leave the store is a defect, caught before it does harm."""
    if not _KEY.fullmatch(key):
        message = f"{key!r} is no key of a blob"
        raise Broken(message)
    return key


def _sync(path: Path, root: Path) -> None:
    """An object store's answer is durable; a file of ours is only once it is synced, and its name."""
    disk.sync(path)
    disk.sync_names(path, root)


def _stage(path: Path, data: bytes) -> None:
    """Whole before it has its name; until then under one that the next start clears. Synced when it has it: then one
    commit of the file system's journal does for both, which is most of what a submit waits for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}#whole")
    try:
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            staged.replace(path)
            os.fsync(file.fileno())
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _link(source: Path, target: Path, root: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.hardlink_to(source)
    disk.sync_names(target, root)


def _rename(source: Path, target: Path, root: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    disk.sync_names(target, root)
    disk.sync(source.parent)
