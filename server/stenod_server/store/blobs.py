"""`ObjectBlobStore`: blobs in a local directory or in any object store that obstore knows.

A local blob is synced before `put` returns; a name shows up only once its bytes are whole (obstore stages them in files
of the name and a number, and renames).
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import obstore
from obstore.store import LocalStore, ObjectStore

from stenod_server.errors import Broken
from stenod_server.store import disk
from stenod_server.store.faults import translated

PART_BYTES: Final = 5 * 1024 * 1024  # what S3 takes as a part at least
PARTS_IN_FLIGHT: Final = 4  # bounds the memory of one `put` to some 25 MiB, however long the stream
LISTED: Final = 500  # keys at a time
_KEY: Final = re.compile(r"[a-z0-9-]+(/[A-Za-z0-9_-]+)+")


class ObjectBlobStore:
    """Implements `ports.BlobStore`. `directory` is where the store keeps its files, None where it is not local; then
    there is no disk of which some has to stay free.
    """

    def __init__(self, store: ObjectStore, *, directory: Path | None = None, min_free_bytes: int = 0) -> None:
        self._store = store
        self._directory = directory
        self._space = disk.FreeSpace(directory, min_free_bytes) if directory else None

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See the port. When `chunks` raises, its exception passes through and nothing is stored."""
        size_bytes = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size_bytes
            async for chunk in chunks:
                if size_bytes // PART_BYTES != (size_bytes + len(chunk)) // PART_BYTES:
                    self._check_space()
                size_bytes += len(chunk)
                yield chunk

        with translated():
            self._check_space()
            await obstore.put_async(
                self._store,
                _checked(key),
                counted(),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_IN_FLIGHT,
            )
            if self._directory is not None:
                await asyncio.to_thread(_sync, self._path(key), self._directory)
        return size_bytes

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        """The blob's own file where the store is local; else a copy that is deleted with the context."""
        if self._directory is not None:
            path = self._path(key)
            with translated():
                await asyncio.to_thread(path.stat)  # missing: said here, not by whoever opens it
            yield path
            return
        with tempfile.NamedTemporaryFile(prefix="stenod-blob-") as copy:
            with translated():
                response = await obstore.get_async(self._store, _checked(key))
                async for chunk in response.stream():
                    await asyncio.to_thread(copy.write, chunk)
                await asyncio.to_thread(copy.flush)
            yield Path(copy.name)

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
            else:
                await obstore.copy_async(self._store, _checked(source), _checked(target))

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
                yield [str(blob["path"]) for blob in page]

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

    def _check_space(self) -> None:
        if self._space is not None:
            self._space.check()

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
