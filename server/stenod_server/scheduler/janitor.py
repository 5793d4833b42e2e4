"""Forgets what its time is up for, and what nobody names: a round now and then, in small transactions.

The order within a round is that of a job's end: its media, then its transcript (EXPIRED), then its record. Bytes go
before the record of them, so that a crash in between leaves a record to come back for, and never bytes that nobody
knows of. Of uploads alone the record goes first, for somebody may go on with one at any moment; bytes that a crash
leaves then have no name. Any node may do any of it at any time: all of it may be done twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from stenod_server.errors import StenodError
from stenod_server.ports import BlobStore, Clock, MediaSpool, RetentionStore, UploadStore
from stenod_server.scheduler.steady_time import SteadyTime

BATCH: Final = 200  # rows of a transaction: others write in between
ORPHANS_EVERY_S: Final = 600.0
# Bytes are stored before what names them. Longer than that takes; from when they were first seen without a name.
ORPHAN_GRACE_S: Final = 3600.0
_LONG_AGO: Final = float("-inf")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class JanitorStores:
    """All that is swept."""

    retention: RetentionStore
    uploads: UploadStore
    spool: MediaSpool
    blobs: BlobStore


class Janitor:
    """`keep_media`: media goes with the transcript, not before. `cache_ttl` 0: transcripts are not used again."""

    def __init__(self, stores: JanitorStores, clock: Clock, *, keep_media: bool, cache_ttl: timedelta) -> None:
        self._retention = stores.retention
        self._uploads = stores.uploads
        self._spool = stores.spool
        self._blobs = stores.blobs
        self._clock = clock
        self._time = SteadyTime(clock)
        self._keep_media = keep_media
        self._cache_ttl = cache_ttl
        self._nameless: dict[str, float] = {}  # keys, and when they were first seen without a name
        self._orphans_due_s = clock.monotonic_s()

    async def begin_alone(self) -> None:
        """To be called before anything is accepted, where no other node writes here: what has no name now was left by a
        crash, and the first round erases it. Raises StoreUnavailable.
        """
        async for keys in self._blobs.keys():
            await self._note_orphans(keys)
        await self._note_orphans(await self._spool.keys())

    async def sweep(self) -> None:
        """One round. What fails is logged and left to the next one; the rest is done all the same."""
        self._now = self._time.now()
        if self._time.is_doubted:
            _log.warning("clock_jumped", clock=self._clock.now().isoformat(), going_by=self._now.isoformat())
        steps = (self._end_uploads, self._erase_media, self._expire, self._purge, self._forget_results)
        for step in (*steps, self._erase_orphans, self._scrub):
            try:
                await step()
            except StenodError as error:
                _log.warning("sweep_failed", step=step.__name__.strip("_"), error=error.message)

    async def _end_uploads(self) -> None:
        async def batch() -> int:
            uploads = await self._uploads.expired_uploads(self._now, limit=BATCH)
            for upload in uploads:
                if not await self._uploads.delete_expired(upload, self._now):
                    continue  # somebody came back for it
                await self._spool.discard(upload)
                _log.info("upload_expired", upload_id=upload.upload_id, offset_bytes=upload.offset_bytes)
            return len(uploads)

        await _in_batches(batch)

    async def _erase_media(self) -> None:
        async def batch() -> int:
            spent = await self._retention.spent_media(now=self._now, keep=self._keep_media, limit=BATCH)
            for media in spent:
                await self._blobs.delete(media.key)
            await self._retention.forget_media(spent)
            return len(spent)

        await _in_batches(batch, "media_erased")

    async def _expire(self) -> None:
        async def batch() -> int:
            return len(await self._retention.expire(now=self._now, limit=BATCH))

        await _in_batches(batch, "jobs_expired")

    async def _purge(self) -> None:
        await _in_batches(lambda: self._retention.purge(now=self._now, limit=BATCH), "jobs_purged")

    async def _forget_results(self) -> None:
        before = self._now - self._cache_ttl
        await _in_batches(lambda: self._retention.forget_results(before=before, limit=BATCH))

    async def _scrub(self) -> None:
        await self._retention.scrub()

    # --- bytes without a name -------------------------------------------------------------------------------------

    async def _erase_orphans(self) -> None:
        at_s = self._clock.monotonic_s()
        if at_s < self._orphans_due_s:
            return
        self._orphans_due_s = at_s + ORPHANS_EVERY_S
        seen: dict[str, float] = {}
        async for keys in self._blobs.keys():
            await self._erase_old(keys, self._blobs.delete, seen)
        await self._erase_old(await self._spool.keys(), self._spool.erase, seen)
        self._nameless = seen

    async def _note_orphans(self, keys: Sequence[str]) -> None:
        self._nameless |= dict.fromkeys(set(keys) - await self._retention.named(keys), _LONG_AGO)

    async def _erase_old(
        self, keys: Sequence[str], erase: Callable[[str], Awaitable[None]], seen: dict[str, float]
    ) -> None:
        """Those of `keys` that have had no name for long enough; the others without one go into `seen`."""
        at_s = self._clock.monotonic_s()
        for key in set(keys) - await self._retention.named(keys):
            since_s = self._nameless.get(key, at_s)
            if at_s - since_s < ORPHAN_GRACE_S:
                seen[key] = since_s
                continue
            await erase(key)
            _log.warning("orphan_erased", key=key)


async def _in_batches(batch: Callable[[], Awaitable[int]], event: str = "") -> None:
    """Until one is not full. `event` is logged with the count, where there was something."""
    count = done = await batch()
    while done == BATCH:
        done = await batch()
        count += done
    if count and event:
        _log.info(event, count=count)
