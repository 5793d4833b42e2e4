"""The media of a job that names an address: fetched once, when the job runs, into the blob store."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import structlog

from stenod_server.domain.job import Job, Media, RemoteMedia
from stenod_server.ports import BlobStore, MediaFetcher

_log = structlog.get_logger()


def key_of(job_id: str) -> str:
    """Where the media of a job's address is stored. Another attempt writes over what a broken one has left."""
    return f"media/{job_id}"


def unrecorded_key(job: Job) -> str:
    """Where media may be that was fetched, the job having ended before its record said so; "" where that cannot be."""
    return key_of(job.job_id) if job.media.remote and not job.media.key else ""


async def fetch(job: Job, remote: RemoteMedia, fetcher: MediaFetcher, blobs: BlobStore, *, max_bytes: int) -> Media:
    """Store what the address gives. Raises FetchRefused, MediaNotFound, LimitExceeded, FetchFailed, StorageFull,
    StoreUnavailable.
    """
    key = key_of(job.job_id)
    digest = hashlib.sha256()

    async def hashed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            digest.update(chunk)
            yield chunk

    async with fetcher.open(remote, max_bytes=max_bytes) as media:
        size_bytes = await blobs.put(key, hashed(media.chunks))
    _log.info("media_fetched", size_bytes=size_bytes)
    return Media(
        key=key,
        size_bytes=size_bytes,
        sha256=digest.hexdigest(),
        file_name=job.media.file_name or media.file_name,
        remote=replace(remote, headers=()),
    )
