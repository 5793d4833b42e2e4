"""Media on its way in: inline bytes and resumable uploads become stored media, and then a job.

Every limit on media is checked here, before and while bytes arrive.
"""

import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from stenod_server.domain.job import Job, Media, RemoteMedia
from stenod_server.errors import (
    InvalidField,
    LimitExceeded,
    StenodError,
    UploadIncomplete,
    UploadOffsetMismatch,
)
from stenod_server.ports import BlobStore, Clock, MediaFetcher, MediaSpool, Upload, UploadStore
from stenod_server.scheduler.scheduler import Scheduler, Submission

_UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_FILE_NAME_CHARACTERS: Final = 255
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InlineMedia:
    """The whole file, in the request."""

    data: bytes
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class UploadedMedia:
    """A complete upload of the tenant."""

    upload_id: str
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class RemoteOrigin:
    """An address, to be fetched when the job runs."""

    remote: RemoteMedia
    file_name: str = ""


MediaOrigin: TypeAlias = InlineMedia | UploadedMedia | RemoteOrigin


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What the first message of an upload says. `size_bytes` 0: complete when the stream ends."""

    upload_id: str = ""
    offset_bytes: int = 0
    size_bytes: int = 0
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bytes of a media file, of one that comes in the request itself, and how long an unused upload is kept."""

    max_media_bytes: int
    max_inline_bytes: int
    upload_ttl: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStores:
    """Where media is while it arrives, and afterwards."""

    uploads: UploadStore
    spool: MediaSpool
    blobs: BlobStore


class Intake:
    """Stores media and submits jobs on it."""

    def __init__(
        self,
        scheduler: Scheduler,
        stores: MediaStores,
        *,
        fetcher: MediaFetcher,
        clock: Clock,
        limits: MediaLimits,
    ) -> None:
        self._scheduler = scheduler
        self._fetcher = fetcher
        self._uploads = stores.uploads
        self._spool = stores.spool
        self._blobs = stores.blobs
        self._clock = clock
        self._limits = limits

    async def submit(self, tenant: str, submission: Submission, origin: MediaOrigin) -> Job:
        """Store the media, then accept the job. Raises what `Scheduler.submit` raises, LimitExceeded, UploadNotFound,
        UploadIncomplete.
        """
        match origin:
            case InlineMedia():
                media = await self._stored(origin)
            case UploadedMedia():
                media = await self._copied(tenant, origin)
            case RemoteOrigin():
                self.check(origin)
                media = Media(key="", file_name=origin.file_name, remote=origin.remote)
        try:
            job = await self._scheduler.submit(tenant, submission, media)
        except StenodError:
            # Only then is it certain that no job was stored: a call that is cancelled may have come too late for that.
            await self._discard(media)
            raise
        if job.media.key != media.key:  # a repeated request_id: that job has media of its own
            await self._discard(media)
        return job

    def check(self, origin: MediaOrigin) -> None:
        """What can be said of media before it is read. Raises InvalidField, LimitExceeded, FetchRefused."""
        _check_file_name("media.file_name", origin.file_name)
        if isinstance(origin, RemoteOrigin):
            self._fetcher.check(origin.remote)

    async def _discard(self, media: Media) -> None:
        if media.key:
            await self._blobs.delete(media.key)

    async def upload(self, tenant: str, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        return await self._uploads.get_upload(tenant, upload_id)

    async def append(self, tenant: str, request: UploadRequest, chunks: AsyncIterator[bytes]) -> Upload:
        """Begin or continue an upload. What has arrived stays when the stream breaks.

        Raises InvalidField, LimitExceeded, UploadNotFound (to be continued), UploadOffsetMismatch.
        """
        upload = await self._open(tenant, request)
        if upload.offset_bytes != request.offset_bytes or upload.complete:
            raise UploadOffsetMismatch(
                f"upload {upload.upload_id} continues at byte {upload.offset_bytes}, not {request.offset_bytes}"
                + (": it is complete" if upload.complete else ""),
                offset_bytes=upload.offset_bytes,
            )
        allowed_bytes = upload.size_bytes or self._limits.max_media_bytes
        limit = "size_bytes of the upload" if upload.size_bytes else "max_media_bytes"
        capped = _capped(chunks, allowed_bytes - upload.offset_bytes, limit=limit, allowed_bytes=allowed_bytes)
        offset_bytes = await self._spool.append(upload, capped)
        upload = replace(upload, offset_bytes=offset_bytes, expire_time=self._clock.now() + self._limits.upload_ttl)
        if upload.size_bytes in {0, offset_bytes}:
            media = await self._spool.finish(upload)
            upload = replace(upload, complete=True, size_bytes=offset_bytes, sha256=media.sha256)
        await self._uploads.save_upload(upload)
        return upload

    async def sweep(self) -> None:
        """Delete the uploads whose time is up."""
        for upload in await self._uploads.expired_uploads(self._clock.now()):
            await self._spool.discard(upload)
            await self._uploads.delete_upload(upload.tenant, upload.upload_id)
            _log.info("upload_expired", upload_id=upload.upload_id, offset_bytes=upload.offset_bytes)

    async def _open(self, tenant: str, request: UploadRequest) -> Upload:
        self._check(request)
        if request.offset_bytes:  # what goes on is there already
            return await self._uploads.get_upload(tenant, request.upload_id)
        now = self._clock.now()
        fresh = Upload(
            upload_id=request.upload_id or uuid.uuid4().hex,
            tenant=tenant,
            file_name=request.file_name,
            size_bytes=request.size_bytes,
            offset_bytes=0,
            complete=False,
            sha256="",
            create_time=now,
            expire_time=now + self._limits.upload_ttl,
        )
        return await self._uploads.create_upload(fresh)

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
        _check_file_name("metadata.file_name", request.file_name)

    async def _stored(self, origin: InlineMedia) -> Media:
        size_bytes = len(origin.data)
        if size_bytes > self._limits.max_inline_bytes:
            raise LimitExceeded(
                "media.inline", limit="max_inline_bytes", allowed=self._limits.max_inline_bytes, actual=size_bytes
            )
        if not origin.data:
            raise InvalidField("media.inline", "is empty")
        _check_file_name("media.file_name", origin.file_name)
        key = _new_key()
        await self._blobs.put(key, _once(origin.data))
        sha256 = hashlib.sha256(origin.data).hexdigest()
        return Media(key=key, size_bytes=size_bytes, sha256=sha256, file_name=origin.file_name)

    async def _copied(self, tenant: str, origin: UploadedMedia) -> Media:
        """The upload's bytes under a key of the job's own, so that deleting a job never touches another one's media."""
        upload = await self._uploads.get_upload(tenant, origin.upload_id)
        if not upload.complete:
            raise UploadIncomplete(
                f"upload {upload.upload_id} has {upload.offset_bytes} bytes so far and is not complete",
                offset_bytes=upload.offset_bytes,
            )
        _check_file_name("media.file_name", origin.file_name)
        key = _new_key()
        await self._blobs.copy(self._spool.key(upload), key)
        return Media(
            key=key,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            file_name=origin.file_name or upload.file_name,
        )


def _new_key() -> str:
    return f"media/{uuid.uuid4().hex}"


def _check_file_name(field: str, name: str) -> None:
    if len(name) > MAX_FILE_NAME_CHARACTERS:
        raise LimitExceeded(
            field, limit="characters of a file name", allowed=MAX_FILE_NAME_CHARACTERS, actual=len(name)
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _capped(
    chunks: AsyncIterator[bytes], room_bytes: int, *, limit: str, allowed_bytes: int
) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        room_bytes -= len(chunk)
        if room_bytes < 0:
            raise LimitExceeded("chunk", limit=limit, allowed=allowed_bytes)
        yield chunk
