"""Media on its way in: inline bytes, uploads and addresses become a job's media, and then a job."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from stenod_server.domain.job import Job, Media, RemoteMedia
from stenod_server.errors import InvalidField, LimitExceeded, MediaGone, StenodError
from stenod_server.ports import BlobStore, MediaFetcher
from stenod_server.ports.media import Written
from stenod_server.scheduler.scheduler import Scheduler, Submission
from stenod_server.scheduler.uploads import Uploads, check_file_name
from stenod_server.telemetry.tracing import NO_TRACER, Tracer, current


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


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """What `Intake.store` has taken in."""

    media: Media


MediaOrigin: TypeAlias = InlineMedia | UploadedMedia | RemoteOrigin | StoredMedia


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """What media may have at most, and the setting that says so."""

    setting: str
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """The settings of these names."""

    max_inline_bytes: int
    max_media_bytes: int


class Intake:
    """Stores media and submits jobs on it."""

    def __init__(
        self,
        scheduler: Scheduler,
        uploads: Uploads,
        *,
        blobs: BlobStore,
        fetcher: MediaFetcher,
        limits: IntakeLimits,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.uploads = uploads
        self._scheduler = scheduler
        self._blobs = blobs
        self._fetcher = fetcher
        self._max_inline_bytes = limits.max_inline_bytes
        self._limit = SizeLimit("max_media_bytes", limits.max_media_bytes)
        self._tracer = tracer

    async def submit(self, tenant: str, submission: Submission, origin: MediaOrigin) -> Job:
        """Store the media, then accept the job. Raises what `Scheduler.submit` raises, LimitExceeded, UploadNotFound,
        UploadIncomplete.
        """
        with self._tracer.span("submit") as span:
            by = replace(submission.config.origin, traceparent=current())
            config = replace(submission.config, origin=by)
            job = await self._submit(tenant, replace(submission, config=config), origin)
            span.note(job_id=job.job_id)
            return job

    async def _submit(self, tenant: str, submission: Submission, origin: MediaOrigin) -> Job:
        written: Written = None
        match origin:
            case InlineMedia():
                media, written = await self._stored(origin)
            case UploadedMedia():
                media = await self._copied(tenant, origin)
            case StoredMedia(media=media):
                pass
            case RemoteOrigin():
                self.check(origin)
                media = Media(key="", file_name=origin.file_name, remote=origin.remote)
        try:
            job = await self._scheduler.submit(tenant, submission, media, written)
        except StenodError:
            # Only then is it certain that no job was stored: a call that is cancelled may have come too late for that.
            await self._discard(media, written)
            raise
        if job.media.key != media.key:  # a repeated request_id: that job has media of its own
            await self._discard(media, written)
        return job

    async def store(
        self, chunks: AsyncIterator[bytes], *, field: str, file_name: str = "", limit: SizeLimit | None = None
    ) -> Media:
        """Take in media that comes as part of a request, piece by piece; to be submitted, or discarded, by the caller.

        Raises LimitExceeded, InvalidField, TooManyCalls, UploadStalled, StorageFull, and what `chunks` raises; then
        nothing is stored.
        """
        check_file_name(field, file_name)
        digest, size_bytes = hashlib.sha256(), 0
        most = min(limit or self._limit, self._limit, key=lambda one: one.max_bytes)

        async def counted(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            nonlocal size_bytes
            async for chunk in source:
                size_bytes += len(chunk)
                if size_bytes > most.max_bytes:
                    raise LimitExceeded(field, limit=most.setting, allowed=most.max_bytes)
                digest.update(chunk)
                yield chunk
            if not size_bytes:
                raise InvalidField(field, "is empty")

        key = _new_key()
        with self.uploads.stream() as stream:
            await self._blobs.put(key, counted(stream.chunks(chunks)))
        return Media(key=key, size_bytes=size_bytes, sha256=digest.hexdigest(), file_name=file_name)

    async def discard(self, media: Media) -> None:
        """Of which no job came."""
        if media.key:
            await self._blobs.delete(media.key)

    @asynccontextmanager
    async def media_of(self, tenant: str, job_id: str) -> AsyncIterator[tuple[Media, Path]]:
        """A job's media as a local file, while the context is open. Raises JobNotFound, MediaGone."""
        job = await self._scheduler.get(tenant, job_id)
        if not job.media.key:
            raise MediaGone(job_id)
        async with self._blobs.local_path(job.media.key) as path:
            yield job.media, path

    def check(self, origin: MediaOrigin) -> None:
        """What can be said of media before it is read. Raises InvalidField, LimitExceeded, FetchRefused."""
        if isinstance(origin, StoredMedia):
            return
        check_file_name("media.file_name", origin.file_name)
        if isinstance(origin, RemoteOrigin):
            self._fetcher.check(origin.remote)

    async def _discard(self, media: Media, written: Written) -> None:
        if written is not None:
            with suppress(StenodError):
                await asyncio.wrap_future(written)
        await self.discard(media)

    async def _stored(self, origin: InlineMedia) -> tuple[Media, Future[None]]:
        """What the job is to be told of it, and when it is durable."""
        size_bytes = len(origin.data)
        if size_bytes > self._max_inline_bytes:
            raise LimitExceeded(
                "media.inline", limit="max_inline_bytes", allowed=self._max_inline_bytes, actual=size_bytes
            )
        if not origin.data:
            raise InvalidField("media.inline", "is empty")
        check_file_name("media.file_name", origin.file_name)
        key = _new_key()
        written = await self._blobs.put_whole(key, origin.data)
        sha256 = hashlib.sha256(origin.data).hexdigest()
        return Media(key=key, size_bytes=size_bytes, sha256=sha256, file_name=origin.file_name), written

    async def _copied(self, tenant: str, origin: UploadedMedia) -> Media:
        """The upload's bytes under a key of the job's own, so that deleting a job never touches another one's media."""
        upload, uploaded_key = await self.uploads.get_complete(tenant, origin.upload_id)
        check_file_name("media.file_name", origin.file_name)
        key = _new_key()
        await self._blobs.copy(uploaded_key, key)
        return Media(
            key=key,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            file_name=origin.file_name or upload.file_name,
        )


def _new_key() -> str:
    return f"media/{uuid.uuid4().hex}"
