"""The growing end of an upload's file, and the digest of what the file has."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stenod_server.errors import Broken
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.store.write_behind import WriteBehind

WRITE_BACK_BYTES: Final = 4 * 1024 * 1024  # the disk takes these in while more arrives: the last sync finds little left
READ_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Digest:
    """The SHA-256 of a file's first `size_bytes`. Kept between the streams of an upload; made anew after a restart."""

    size_bytes: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def update(self, chunk: bytes) -> None:
        self.sha256.update(chunk)
        self.size_bytes += len(chunk)


class UploadTail:
    """What arrives is written, counted in the digest and taken in by the disk, all three while more arrives.

    `file` is None until it is open, and must be closed by whoever opened it once `sync` is through. Methods raise
    OSError.
    """

    def __init__(self, offset_bytes: int) -> None:
        self.file: int | None = None
        self.digest = Digest()
        self.written_bytes = self.synced_bytes = self._taken_in_bytes = offset_bytes
        self._writer = WriteBehind(self._write, self._count)
        self._taking_in: asyncio.Task[None] | None = None

    @property
    def behind_bytes(self) -> int:
        """They have arrived and are not written."""
        return self._writer.behind_bytes

    @property
    def unsynced_bytes(self) -> int:
        return self.written_bytes + self.behind_bytes - self.synced_bytes

    async def feed(self, chunk: bytes) -> None:
        """See `WriteBehind.feed`."""
        await self._writer.feed(chunk)
        is_idle = self._taking_in is None or self._taking_in.done()
        if is_idle and self.written_bytes - self._taken_in_bytes >= WRITE_BACK_BYTES:
            self._check_taken_in()
            self._taking_in = asyncio.create_task(asyncio.to_thread(self._take_in), name="write-back")

    async def drain(self) -> None:
        """Until all is written."""
        await self._writer.drain()

    async def sync(self) -> None:
        """Until what is written is on the disk. Raises also what the disk said before: it says so only once."""
        if self._taking_in is not None:
            await asyncio.wait({self._taking_in})
            self._check_taken_in()
        await to_its_end(asyncio.to_thread(self._sync))

    def _check_taken_in(self) -> None:
        if self._taking_in is not None:
            self._taking_in.result()

    def _write(self, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                written = os.write(self._open_file, view)
                self.written_bytes += written
                view = view[written:]

    def _count(self, chunks: Sequence[bytes]) -> None:
        """Of chunks that cannot be written, the digest knows too much, and is made anew."""
        for chunk in chunks:
            self.digest.update(chunk)

    def _take_in(self) -> None:
        written_bytes = self.written_bytes
        os.fdatasync(self._open_file)
        self._taken_in_bytes = written_bytes

    def _sync(self) -> None:
        written_bytes = self.written_bytes
        os.fsync(self._open_file)
        self.synced_bytes = self._taken_in_bytes = written_bytes

    @property
    def _open_file(self) -> int:
        if self.file is None:
            message = "the part file is not open"
            raise Broken(message)
        return self.file


def read_digest(path: Path, length_bytes: int) -> Digest:
    """Of the file's first `length_bytes`. Blocking."""
    digest = Digest()
    if length_bytes == 0:
        return digest
    with path.open("rb") as file:
        while chunk := file.read(min(READ_BYTES, length_bytes - digest.size_bytes)):
            digest.update(chunk)
    return digest
