"""`BucketMediaSpool`: the bytes of uploads under way as objects of a bucket, so that any node may take the next stream.

A stream goes up in pieces. A piece that is recorded is durable, and where the pieces end is the upload's offset. What
is finished is put together into a blob, and its pieces go. The records of pieces go before their objects: a record
without an object would be a promise that cannot be kept, an object without a record is swept up by the janitor.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import obstore
from obstore.store import ObjectStore

from stenod_server.domain.job import Media
from stenod_server.errors import StoreUnavailable, UploadOffsetMismatch
from stenod_server.object_store.streams import put_stream
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.ports import Upload
from stenod_server.store.blobs import ObjectBlobStore
from stenod_server.store.faults import translated
from stenod_server.store.upload_pieces import Piece, SqlUploadPieces
from stenod_server.store.upload_writers import UploadWriters, name_of
from stenod_server.store.uploads import key_of

PIECE_BYTES: Final = 8 * 1024 * 1024  # at most this much of a running stream is sent again after a crash
LEAST_PIECE_BYTES: Final = 1024 * 1024
BUFFERED_BYTES: Final = 256 * 1024 * 1024  # of all streams together: the more there are, the smaller their pieces
READ_BYTES: Final = 1024 * 1024


class BucketMediaSpool:
    """Implements `ports.MediaSpool` for nodes that share `pieces` and a bucket; `store` is the place of pieces in the
    bucket. Two streams of one upload are told apart at once where they come to one node, else when the first of
    them has stored a piece.
    """

    def __init__(self, store: ObjectStore, pieces: SqlUploadPieces, blobs: ObjectBlobStore) -> None:
        self._store = store
        self._pieces = pieces
        self._blobs = blobs
        self._writers = UploadWriters()
        self._finishing: dict[str, asyncio.Task[Media]] = {}  # until whoever asked for it has it

    async def append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        if name_of(upload) in self._finishing:
            return await self._append_nothing(upload, chunks)
        with self._writers.alone(upload):
            tail = _Tail(upload.offset_bytes)
            try:
                async for chunk in chunks:
                    if not tail.is_begun:
                        await self._check_promised(upload)
                        tail.is_begun = True
                    tail.buffer += chunk
                    if len(tail.buffer) >= self._piece_bytes:
                        await to_its_end(self._keep(upload, tail))
            finally:
                # Also when the stream broke or the caller is gone: what has arrived is not sent again.
                await to_its_end(self._keep(upload, tail))
            return tail.offset_bytes

    async def finish(self, upload: Upload) -> Media:
        """Idempotent: a crash between any two steps is mended by calling again.

        Large ones take longer than some callers wait: it goes on without them, and who comes back gets what it gave.
        """
        name = name_of(upload)
        finishing = self._finishing.get(name)
        if finishing is None:
            finishing = self._finishing[name] = asyncio.create_task(self._finish(upload), name="finish-upload")
            finishing.add_done_callback(_look_at)
        await asyncio.wait({finishing})  # unlike an `await` of it, gives up without taking it along
        self._finishing.pop(name, None)
        return finishing.result()

    async def _finish(self, upload: Upload) -> Media:
        key, name = self.key(upload), name_of(upload)
        with self._writers.alone(upload):
            pieces = await self._pieces.of(name)
            digest = hashlib.sha256()
            if pieces or not upload.offset_bytes:
                _check_whole(upload, pieces)
                await self._blobs.put(key, _hashed(self._read(pieces), digest))
                await self.erase(key)
            else:
                _check_size(upload, await _length(_hashed(self._blobs.read(key), digest)))
        return Media(key=key, size_bytes=upload.offset_bytes, sha256=digest.hexdigest(), file_name=upload.file_name)

    async def discard(self, upload: Upload) -> None:
        self._finishing.pop(name_of(upload), None)
        await self.erase(self.key(upload))
        await self._blobs.delete(self.key(upload))

    async def keys(self) -> Sequence[str]:
        """By the objects there are: some stores go on naming a directory that has none any more."""
        names: set[str] = set()
        with translated():
            async for page in obstore.list(self._store):
                names.update(found["path"].partition("/")[0] for found in page)
        return [f"upload/{name}" for name in sorted(names)]

    async def erase(self, key: str) -> None:
        name = key.rpartition("/")[2]
        await self._pieces.forget(name)
        with translated():
            async for page in obstore.list(self._store, prefix=name):
                await obstore.delete_async(self._store, [found["path"] for found in page])

    def key(self, upload: Upload) -> str:
        return key_of(upload.tenant, upload.upload_id, upload.create_time)

    # --- appending ------------------------------------------------------------------------------------------------

    async def _append_nothing(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        """From a sender who has sent all, and lost the answer while it was put together."""
        async for chunk in chunks:
            if chunk:
                raise _written_elsewhere(upload, upload.offset_bytes)
        return upload.offset_bytes

    @property
    def _piece_bytes(self) -> int:
        return max(LEAST_PIECE_BYTES, min(PIECE_BYTES, BUFFERED_BYTES // len(self._writers)))

    async def _keep(self, upload: Upload, tail: "_Tail") -> None:
        """Store, then record: in this order, a record never promises what the bucket does not have."""
        if not tail.buffer:
            return
        data, tail.buffer = tail.buffer, bytearray()
        piece = Piece(tail.offset_bytes, len(data), _new_object(name_of(upload), tail.offset_bytes))
        with translated():
            await obstore.put_async(self._store, piece.object_key, data, use_multipart=False)
        try:
            await self._pieces.add(name_of(upload), upload, piece)
        except UploadOffsetMismatch:
            with translated():  # nobody will ask for it
                await obstore.delete_async(self._store, piece.object_key)
            raise
        tail.offset_bytes += piece.size_bytes

    async def _check_promised(self, upload: Upload) -> None:
        """Raises StoreUnavailable where bytes that were kept are gone. After a crash between `finish` and the record of
        it they are a blob, and are made a piece again.
        """
        name = name_of(upload)
        pieces = await self._pieces.of(name)
        if pieces or not upload.offset_bytes:
            _check_whole(upload, pieces)
            return
        piece = Piece(0, upload.offset_bytes, _new_object(name, 0))
        with translated():
            size_bytes = await put_stream(self._store, piece.object_key, self._blobs.read(self.key(upload)))
        _check_size(upload, size_bytes)
        await self._pieces.restore(name, piece)

    async def _read(self, pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
        """In their order. Raises StoreUnavailable where one is not what was recorded."""
        for piece in pieces:
            size_bytes = 0
            with translated():
                found = await obstore.get_async(self._store, piece.object_key)
                async for chunk in found.stream(min_chunk_size=READ_BYTES):
                    size_bytes += len(chunk)
                    yield bytes(chunk)
            if size_bytes != piece.size_bytes:
                message = f"a piece of an upload has {size_bytes} bytes in place of {piece.size_bytes}"
                raise StoreUnavailable(message, missing=True)


@dataclass(slots=True)
class _Tail:
    """The end of an upload that a stream brings: where the next piece begins, and what there is of it."""

    offset_bytes: int
    is_begun: bool = False
    buffer: bytearray = field(default_factory=bytearray)


def _new_object(name: str, offset_bytes: int) -> str:
    """Of its own, whoever else brings the same bytes at the same time."""
    return f"{name}/{offset_bytes:015d}-{uuid.uuid4().hex}"


async def _hashed(chunks: AsyncIterator[bytes], digest: Any) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk


async def _length(chunks: AsyncIterator[bytes]) -> int:
    return sum([len(chunk) async for chunk in chunks])


def _check_whole(upload: Upload, pieces: Sequence[Piece]) -> None:
    """One behind the other, from the first byte to the upload's offset."""
    end_bytes = 0
    for piece in pieces:
        if piece.offset_bytes != end_bytes:
            break
        end_bytes += piece.size_bytes
    if end_bytes > upload.offset_bytes:
        raise _written_elsewhere(upload, end_bytes)
    _check_size(upload, end_bytes)


def _written_elsewhere(upload: Upload, offset_bytes: int) -> UploadOffsetMismatch:
    message = f"another stream has written to upload {upload.upload_id!r}, which has {offset_bytes} bytes now"
    return UploadOffsetMismatch(message, offset_bytes=offset_bytes)


def _look_at(task: "asyncio.Task[Media]") -> None:
    """What it raised is for whoever comes back; nobody need come."""
    if not task.cancelled():
        task.exception()


def _check_size(upload: Upload, size_bytes: int) -> None:
    if size_bytes != upload.offset_bytes:
        message = (
            f"upload {upload.upload_id!r}: {size_bytes} bytes are there of the {upload.offset_bytes} that were kept"
        )
        raise StoreUnavailable(message, missing=True)
