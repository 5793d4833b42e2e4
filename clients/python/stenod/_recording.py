"""What can be submitted, made readable from any offset, so that a broken upload can go on where the server is."""

import asyncio
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, Final, Protocol

CHUNK_BYTES: Final = 256 * 1024  # of the 1 MiB that a message may have: memory of this size is used again
_IN_MEMORY_BYTES: Final = 4 * 1024**2

Media = str | os.PathLike[str] | bytes | BinaryIO | AsyncIterable[bytes]


class Recording(Protocol):
    """The bytes of a media file. `size_bytes` is 0 while unknown."""

    @property
    def size_bytes(self) -> int: ...

    async def read(self, offset_bytes: int) -> bytes:
        """At most CHUNK_BYTES from there on; empty at the end. Waits for a source that is still being written."""
        ...

    async def whole(self, max_bytes: int) -> bytes | None:
        """All of it, if that is no more than `max_bytes`."""
        ...


@asynccontextmanager
async def open_recording(media: Media) -> AsyncIterator[Recording]:
    """Raises OSError where a file cannot be read."""
    if isinstance(media, bytes):
        yield _Bytes(media)
        return
    async with AsyncExitStack() as stack:
        if isinstance(media, str | os.PathLike):
            file = stack.enter_context(await asyncio.to_thread(Path(media).open, "rb"))
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode):
                yield _File(file, status.st_size)
                return
            media = file  # a pipe or a device
        chunks = media if isinstance(media, AsyncIterable) else _chunks_of(media)
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as spool:
            yield _Stream(chunks, spool)


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    async def read(self, offset_bytes: int) -> bytes:
        return self._data[offset_bytes : offset_bytes + CHUNK_BYTES]

    async def whole(self, max_bytes: int) -> bytes | None:
        return self._data if len(self._data) <= max_bytes else None


class _File:
    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self.size_bytes = size_bytes

    async def read(self, offset_bytes: int) -> bytes:
        # Not beyond the size that was declared, although the file may grow.
        length = min(CHUNK_BYTES, self.size_bytes - offset_bytes)
        return await asyncio.to_thread(os.pread, self._file.fileno(), length, offset_bytes) if length > 0 else b""

    async def whole(self, max_bytes: int) -> bytes | None:
        if self.size_bytes > max_bytes:
            return None
        return await asyncio.to_thread(self._file.read)


class _Stream:
    """A source that can be read once, such as standard input: kept in a temporary file until it is submitted."""

    def __init__(self, chunks: AsyncIterable[bytes], spool: IO[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._spool = spool
        self._spooled_bytes = 0
        self._ended = False

    @property
    def size_bytes(self) -> int:
        return self._spooled_bytes if self._ended else 0

    async def read(self, offset_bytes: int) -> bytes:
        await self._fill(offset_bytes + 1)
        return await asyncio.to_thread(self._read_spool, offset_bytes, CHUNK_BYTES)

    async def whole(self, max_bytes: int) -> bytes | None:
        await self._fill(max_bytes + 1)
        if self._spooled_bytes > max_bytes:
            return None
        return await asyncio.to_thread(self._read_spool, 0, max_bytes)

    async def _fill(self, to_bytes: int) -> None:
        while not self._ended and self._spooled_bytes < to_bytes:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                await asyncio.to_thread(self._append, chunk)

    def _append(self, chunk: bytes) -> None:
        self._spool.seek(0, os.SEEK_END)
        self._spool.write(chunk)
        self._spooled_bytes += len(chunk)

    def _read_spool(self, offset_bytes: int, max_bytes: int) -> bytes:
        self._spool.seek(offset_bytes)
        return self._spool.read(max_bytes)


async def _chunks_of(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
