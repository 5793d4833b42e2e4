"""Local copies of blobs that are in a bucket, for as long as they are read: what decodes needs a file to seek in.

They are all that media take of a node's disk then, and stop at its low-water mark as media in a directory do.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import obstore
from obstore.store import ObjectStore

from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.store import disk
from stenod_server.store.faults import translated

CHUNK_BYTES: Final = 1024 * 1024
CHECK_EVERY_BYTES: Final = 32 * CHUNK_BYTES


class LocalCopies:
    """`directory` is this process's alone: what a crash left there goes. Of its disk, `min_free_bytes` stay free."""

    def __init__(self, directory: Path, min_free_bytes: int = 0) -> None:
        self._directory = directory
        self._space = disk.FreeSpace(directory, min_free_bytes)
        self._awaited_bytes = 0  # of the copies under way: promised, not written yet

    def clear(self) -> None:
        """Begin without any. Blocking; raises OSError."""
        shutil.rmtree(self._directory, ignore_errors=True)
        disk.make_private_directory(self._directory)

    @asynccontextmanager
    async def of(self, store: ObjectStore, key: str) -> AsyncIterator[Path]:
        """Deleted with the context. Raises StorageFull, StoreUnavailable."""
        with translated():
            copy = await asyncio.to_thread(_new_file, self._directory)
        try:
            with translated():
                await self._fill(copy, store, key)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    async def _fill(self, copy: Path, store: ObjectStore, key: str) -> None:
        found = await obstore.get_async(store, key)
        left_bytes = found.meta["size"]
        self._awaited_bytes += left_bytes
        try:
            self._space.check(self._awaited_bytes)
            with copy.open("wb") as file:
                async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                    await to_its_end(asyncio.to_thread(file.write, bytes(chunk)))
                    self._awaited_bytes -= len(chunk)
                    left_bytes -= len(chunk)
                    if left_bytes // CHECK_EVERY_BYTES != (left_bytes + len(chunk)) // CHECK_EVERY_BYTES:
                        self._space.check(self._awaited_bytes)
        finally:
            self._awaited_bytes -= left_bytes


def _new_file(directory: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=directory)
    os.close(descriptor)
    return Path(name)
