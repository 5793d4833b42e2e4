"""Streams into an object store: in parts, and all of it or nothing.

The store's own client reads from an iterator and can only be stopped by that: a `put` of it that is cancelled goes on
waiting, and leaves its parts where they are, paid for and seen by nobody. So the stream is handed over through a pipe,
which breaks when the stream breaks or the caller goes, and the client is waited for until it has cleared up.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import obstore
from obstore.store import ObjectStore

from stenod_server.object_store.to_its_end import to_its_end

PART_BYTES: Final = 5 * 1024 * 1024  # what S3 takes as a part at least; 10000 of them are 50 GB
PARTS_IN_FLIGHT: Final = 4  # bounds the memory of one stream to some 25 MiB, however long it is


class _BrokenOff(Exception):
    """For the client alone, so that it gives up."""


class _Pipe:
    """Holds one chunk."""

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk
        self._changed = asyncio.Event()
        self._is_over = False
        self._is_broken = False

    async def send(self, chunk: bytes) -> bool:
        """Wait until the one before is taken. False: nobody takes any more."""
        while self._chunk and not self._is_over:
            await self._wait()
        if self._is_over:
            return False
        self._chunk = chunk
        self._changed.set()
        return True

    def end(self, *, broken: bool = False) -> None:
        """No more comes, or no more is taken."""
        self._is_over = True
        self._is_broken = self._is_broken or broken
        self._changed.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._is_broken:
                raise _BrokenOff
            if self._chunk:
                chunk, self._chunk = self._chunk, b""
                self._changed.set()
                yield chunk
            elif self._is_over:
                return
            else:
                await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


async def put_stream(store: ObjectStore, key: str, chunks: AsyncIterator[bytes]) -> int:
    """Store what `chunks` gives, durable on return; gives the bytes written. What `chunks` raises passes through, and a
    cancellation too, after the parts that were there are deleted. Raises what obstore raises.
    """
    head = bytearray()
    async for chunk in chunks:
        head += chunk
        if len(head) > PART_BYTES:
            return await _put_parts(store, key, bytes(head), chunks)
    await to_its_end(obstore.put_async(store, key, bytes(head)))  # one request in place of three
    return len(head)


async def _put_parts(store: ObjectStore, key: str, head: bytes, chunks: AsyncIterator[bytes]) -> int:
    pipe, size_bytes = _Pipe(head), len(head)
    put = asyncio.ensure_future(
        obstore.put_async(
            store, key, pipe.chunks(), use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT
        )
    )
    put.add_done_callback(lambda _: pipe.end())
    try:
        async for chunk in chunks:
            if chunk and not await pipe.send(chunk):
                break
            size_bytes += len(chunk)
        pipe.end()
        await to_its_end(put)
    except BaseException:
        pipe.end(broken=True)
        await asyncio.shield(_settled(put))
        raise
    return size_bytes


async def _settled(put: asyncio.Future[Any]) -> None:
    """It has cleared up; how it ended does not matter any more."""
    await asyncio.wait({put})
    if not put.cancelled():
        put.exception()
