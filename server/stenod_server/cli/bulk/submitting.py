"""One recording to the server: by its address, by a signed one, or as bytes; once, however often it is asked for."""

import itertools
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import stenod
from stenod.errors import IdempotencyMismatch
from stenod_server.cli.bulk.items import Item
from stenod_server.fetch.buckets import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALID: Final = timedelta(hours=12)
_MOST_ATTEMPTS: Final = 100
# Whatever is tried again, the recording stays what it is.
_OF_THE_RECORDING: Final = frozenset(
    {"UNSUPPORTED_MEDIA", "NO_AUDIO", "LIMIT_EXCEEDED", "LANGUAGE_UNCERTAIN", "POISON_JOB"}
)


class Via(StrEnum):
    """How a recording comes to the server."""

    URI = "uri"  # the server reads the bucket (its setting fetch_buckets)
    PRESIGN = "presign"  # it reads an address that is signed here
    UPLOAD = "upload"  # it is read here and sent


class Submitter:
    """Without a `source` all go by their addresses. `retry_failed`: a recording that an earlier run's job failed on for
    what it is gets another job all the same.
    """

    def __init__(
        self, client: stenod.Client, source: Bucket | None, via: Via, config: stenod.JobOptions, *, retry_failed: bool
    ) -> None:
        self._client = client
        self._source = source
        self._via = via
        self._config = config
        self._retry_failed = retry_failed

    async def submit(self, item: Item) -> stenod.Job:
        """The job of this version and configuration, made if there is none; one that has failed only where another
        would fail alike. Raises stenod.StenodError, StoreUnavailable, MediaNotFound.
        """
        via = self._via if self._source is None or _can_be_said(item) else Via.UPLOAD
        for attempt in itertools.count(1):
            job = await self._attempt(item, via, f"ingest-{item.identity}-{via}-{attempt}")
            if not _is_lost(job) or attempt == _MOST_ATTEMPTS:
                return job
            if job.error and job.error.reason in _OF_THE_RECORDING and not self._retry_failed:
                return job
        raise AssertionError  # count has no end

    async def _attempt(self, item: Item, via: Via, request_id: str) -> stenod.Job:
        options: Mapping[str, Any] = {"file_name": item.file_name, "request_id": request_id, **self._config}
        if self._source is None or via is Via.URI:
            return await self._client.submit(item.uri, **options)
        # A signature is another one each time, and bytes would travel for nothing: the job is looked for first.
        options = {**options, "tags": [request_id]}
        if job := await self._find(request_id):
            return job
        try:
            if via is Via.PRESIGN:
                return await self._client.submit(await self._source.signed(item.key, _VALID), **options)
            return await self._client.submit(self._source.read(item.key), **options)
        except IdempotencyMismatch:
            # Another process was faster.
            if job := await self._find(request_id):
                return job
            raise

    async def _find(self, request_id: str) -> stenod.Job | None:
        async for job in self._client.jobs(tag=request_id, limit=1):
            return job
        return None


def _is_lost(job: stenod.Job) -> bool:
    """It has ended, and will have no transcript (any more)."""
    return job.state.has_ended and job.state is not stenod.JobState.SUCCEEDED


def _can_be_said(item: Item) -> bool:
    """Whether the server takes the address: some keys look like queries, or like other paths."""
    names = item.key.split("/")
    is_plain = item.key.isprintable() and not set(item.key) & set("?#\\") and item.key == item.key.strip()
    return is_plain and all(name not in {"", ".", ".."} for name in names) and PurePosixPath(item.key).name != ""
