"""Uploads: media that arrives in one stream or in several, each of which goes on where the one before ended."""

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from stenod_server.errors import InvalidField, LimitExceeded, UploadIncomplete, UploadOffsetMismatch
from stenod_server.ports import Clock, MediaSpool, Upload, UploadStore
from stenod_server.scheduler.upload_streams import UploadStream, UploadStreams

MAX_FILE_NAME_CHARACTERS: Final = 255
TURNS_PER_TTL: Final = 60
_UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What the first message of an upload says. `size_bytes` 0: complete when the stream ends."""

    upload_id: str = ""
    offset_bytes: int = 0
    size_bytes: int = 0
    file_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """Bytes of a file, streams at a time on this node, and how long an upload is kept after its last byte."""

    max_media_bytes: int
    max_upload_streams: int
    ttl: timedelta


class Uploads:
    """Those of all tenants."""

    def __init__(self, uploads: UploadStore, spool: MediaSpool, *, clock: Clock, limits: UploadLimits) -> None:
        self._uploads = uploads
        self._spool = spool
        self._clock = clock
        self._limits = limits
        self._turn_time = limits.ttl / TURNS_PER_TTL
        self._streams = UploadStreams(clock, limits.max_upload_streams)

    async def get(self, tenant: str, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        return await self._uploads.get_upload(tenant, upload_id)

    async def get_complete(self, tenant: str, upload_id: str) -> tuple[Upload, str]:
        """With the key of its bytes in the blob store. Raises UploadNotFound, UploadIncomplete."""
        upload = await self.get(tenant, upload_id)
        if not upload.complete:
            raise UploadIncomplete(
                f"upload {upload.upload_id} has {upload.offset_bytes} bytes so far and is not complete",
                offset_bytes=upload.offset_bytes,
            )
        return upload, self._spool.key(upload)

    def stream(self) -> AbstractContextManager[UploadStream]:
        """A place for one more stream, before anything of it is read. Raises TooManyCalls."""
        return self._streams.enter()

    async def append(
        self, tenant: str, request: UploadRequest, *, stream: UploadStream, chunks: AsyncIterator[bytes]
    ) -> Upload:
        """Begin or continue an upload. What has arrived stays when the stream breaks.

        Raises InvalidField, LimitExceeded, UploadNotFound (to be continued), UploadOffsetMismatch, UploadStalled.
        """
        self._check(request)
        request = replace(request, upload_id=request.upload_id or uuid.uuid4().hex)
        async with self._streams.alone(tenant, request.upload_id, stream):
            upload = await self._open(tenant, request)
            if upload.offset_bytes != request.offset_bytes:
                raise _mismatch(upload, request.offset_bytes)
            if upload.complete:
                return await _answered_again(upload, stream.chunks(chunks))
            return await self._finish(await self._store(upload, stream, self._capped(upload, stream.chunks(chunks))))

    async def _open(self, tenant: str, request: UploadRequest) -> Upload:
        if request.offset_bytes:  # what goes on is there already
            return await self._uploads.get_upload(tenant, request.upload_id)
        now = self._clock.now()
        fresh = Upload(
            upload_id=request.upload_id,
            tenant=tenant,
            file_name=request.file_name,
            size_bytes=request.size_bytes,
            offset_bytes=0,
            complete=False,
            sha256="",
            create_time=now,
            expire_time=now + self._limits.ttl,
        )
        return await self._uploads.create_upload(fresh)

    async def _store(self, upload: Upload, stream: UploadStream, chunks: AsyncIterator[bytes]) -> Upload:
        """In turns, each of which puts off the end of the upload: one that takes longer than `ttl` is not abandoned."""
        while not stream.is_over:
            upload = await self._put_off(upload)
            stream.offset_bytes = upload.offset_bytes
            upload = replace(upload, offset_bytes=await self._spool.append(upload, self._turn(chunks)))
        return upload

    async def _put_off(self, upload: Upload) -> Upload:
        """Its end; nothing is written where that was done less than a turn ago."""
        expire_time = self._clock.now() + self._limits.ttl
        if expire_time - upload.expire_time < self._turn_time:
            return upload
        upload = replace(upload, expire_time=expire_time)
        await self._uploads.save_upload(upload)
        return upload

    async def _turn(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        end_s = self._clock.monotonic_s() + self._turn_time.total_seconds()
        async for chunk in chunks:
            yield chunk
            if self._clock.monotonic_s() > end_s:
                return

    async def _finish(self, upload: Upload) -> Upload:
        upload = replace(upload, expire_time=self._clock.now() + self._limits.ttl)
        if upload.size_bytes in {0, upload.offset_bytes}:
            media = await self._spool.finish(upload)
            upload = replace(upload, complete=True, size_bytes=upload.offset_bytes, sha256=media.sha256)
        await self._uploads.save_upload(upload)
        return upload

    async def _capped(self, upload: Upload, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        allowed_bytes = upload.size_bytes or self._limits.max_media_bytes
        limit = "size_bytes of the upload" if upload.size_bytes else "max_media_bytes"
        room_bytes = allowed_bytes - upload.offset_bytes
        async for chunk in chunks:
            room_bytes -= len(chunk)
            if room_bytes < 0:
                raise LimitExceeded("chunk", limit=limit, allowed=allowed_bytes)
            yield chunk

    def _check(self, request: UploadRequest) -> None:
        if request.upload_id and not _UPLOAD_ID.fullmatch(request.upload_id):
            raise InvalidField("metadata.upload_id", "must be 1 to 64 letters, digits, '-' or '_'")
        if request.offset_bytes < 0 or request.size_bytes < 0:
            raise InvalidField("metadata", "offset_bytes and size_bytes must be at least 0")
        if request.size_bytes > self._limits.max_media_bytes:
            raise LimitExceeded(
                "metadata.size_bytes",
                limit="max_media_bytes",
                allowed=self._limits.max_media_bytes,
                actual=request.size_bytes,
            )
        check_file_name("metadata.file_name", request.file_name)


def check_file_name(field: str, name: str) -> None:
    """Raises LimitExceeded."""
    if len(name) > MAX_FILE_NAME_CHARACTERS:
        raise LimitExceeded(
            field, limit="characters of a file name", allowed=MAX_FILE_NAME_CHARACTERS, actual=len(name)
        )


async def _answered_again(upload: Upload, chunks: AsyncIterator[bytes]) -> Upload:
    """For a sender who lost the first answer."""
    async for chunk in chunks:
        if chunk:
            raise _mismatch(upload, upload.offset_bytes)
    return upload


def _mismatch(upload: Upload, offset_bytes: int) -> UploadOffsetMismatch:
    return UploadOffsetMismatch(
        f"upload {upload.upload_id} continues at byte {upload.offset_bytes}, not {offset_bytes}"
        if not upload.complete
        else f"upload {upload.upload_id} is complete with {upload.offset_bytes} bytes",
        offset_bytes=upload.offset_bytes,
    )
