"""`SqlJobStore`: the JobStore over a SQL database. What each method means stands in `ports.JobStore`, and for those
that share jobs between nodes in `ports.cluster.ClaimStore`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from stenod_server.domain.job import Checkpoint, Failure, Job, JobState, Lease, Media, Progress
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import Broken, StoreUnavailable
from stenod_server.ports import CacheKey, JobFilter
from stenod_server.ports.cluster import ClaimRequest, Claims, Load, PlaceRequest
from stenod_server.ports.media import Written
from stenod_server.store import claims, cluster_queries, job_changes, job_queries, runs
from stenod_server.store.database import Database
from stenod_server.store.job_changes import Terms
from stenod_server.store.recorder import GATHER_S, ProgressRecorder
from stenod_server.store.runs import Report

T = TypeVar("T")


class SqlJobStore:
    """Implements both; the database is its own to close. `with_files`: transcripts are to be written to files, too."""

    def __init__(self, database: Database, *, gather_s: float = GATHER_S, with_files: bool = False) -> None:
        self._database = database
        self._with_files = with_files
        self._recorder = ProgressRecorder(database, gather_s=gather_s)

    # --- reading --------------------------------------------------------------------------------------------------

    async def get(self, tenant: str, job_id: str) -> Job:
        return await self._database.read(partial(job_queries.get, tenant=tenant, job_id=job_id))

    async def list(self, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
        return await self._database.read(partial(job_queries.page, tenant=tenant, job_filter=job_filter, limit=limit))

    async def queued(self, *, now: datetime, limit: int) -> Sequence[Job]:
        return await self._database.read(partial(job_queries.queued, now=now, limit=limit))

    async def counts(self) -> Mapping[JobState, int]:
        return await self._database.read(job_queries.counts)

    async def count_queued(self) -> int:
        return await self._database.read(job_queries.count_queued)

    async def segments(self, job_id: str, *, from_index: int = 0, final: bool = True) -> AsyncIterator[Segment]:
        """Page by page, each a statement of its own: a slow reader holds no snapshot and no memory."""
        await self._recorder.settle(job_id)
        while True:
            page = await self._database.read(
                partial(job_queries.segment_page, job_id=job_id, from_index=from_index, final=final)
            )
            for segment in page:
                yield segment
            if len(page) < job_queries.SEGMENT_PAGE:
                return
            from_index = page[-1].index + 1

    # --- changing -------------------------------------------------------------------------------------------------

    async def submit(
        self,
        job: Job,
        *,
        max_queued_jobs: int,
        limits: TenantLimits = NO_LIMITS,
        cache: CacheKey | None = None,
        place: PlaceRequest | None = None,
        written: Written = None,
    ) -> Job:
        terms = Terms(max_queued_jobs, limits, cache, place, self._with_files)
        return await self._database.write(partial(job_changes.submit, job=job, terms=terms), after=written)

    async def claim(self, job_id: str, *, node: str, now: datetime, lease_until: datetime) -> Job | None:
        return await self._database.write(
            partial(runs.claim, job_id=job_id, node=node, now=now, lease_until=lease_until)
        )

    async def claim_next(self, request: ClaimRequest) -> Claims:
        return await self._database.write(partial(claims.claim_next, request=request))

    async def running_on(self, node: str) -> Sequence[Job]:
        return await self._database.read(partial(cluster_queries.running_on, node=node))

    async def load(self, *, now: datetime, limits_of: Callable[[str], TenantLimits]) -> Load:
        return await self._database.read(partial(cluster_queries.load, now=now, limits_of=limits_of))

    async def renew(self, leases: Sequence[Lease], *, lease_until: datetime) -> Mapping[str, bool]:
        return await self._database.write(partial(runs.renew, leases=leases, lease_until=lease_until))

    async def record(
        self,
        lease: Lease,
        progress: Progress,
        segments: Sequence[Segment],
        *,
        now: datetime,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._recorder.add(lease, Report(progress, now, tuple(segments), checkpoint))

    async def release(
        self, lease: Lease, *, now: datetime, failure: Failure | None = None, not_before: datetime | None = None
    ) -> Job | None:
        change = partial(runs.release, lease=lease, now=now, failure=failure, not_before=not_before)
        return await self._end_run(lease, change)

    async def rescue(self, node: str, *, now: datetime, max_rescues: int) -> Sequence[Job]:
        return await self._database.write(partial(runs.rescue, node=node, now=now, max_rescues=max_rescues))

    async def rescue_expired(self, *, now: datetime, max_rescues: int) -> Sequence[Job]:
        return await self._database.write(partial(runs.rescue_expired, now=now, max_rescues=max_rescues))

    async def restart(self, lease: Lease) -> None:
        await self._database.write(partial(runs.restart, lease=lease))

    async def fetched(self, lease: Lease, media: Media) -> Job | None:
        return await self._database.write(partial(runs.fetched, lease=lease, media=media))

    async def finalise(self, lease: Lease, segments: Sequence[Segment]) -> bool:
        return await self._database.write(partial(runs.finalise, lease=lease, final=segments))

    async def complete(
        self,
        lease: Lease,
        info: TranscriptInfo,
        segments: Sequence[Segment],
        *,
        now: datetime,
        cache: CacheKey | None = None,
    ) -> Job | None:
        report = await self._recorder.take(lease)
        last = [*(report.segments if report else ()), *segments]
        change = partial(runs.complete, lease=lease, info=info, last=last, now=now, cache=cache)
        return await self._storing(lease, report, change)

    async def reuse(self, job: Job, cache: CacheKey, *, now: datetime) -> Job | None:
        return await self._database.write(partial(runs.reuse, lease=job.lease, tenant=job.tenant, cache=cache, now=now))

    async def fail(self, lease: Lease, failure: Failure, *, now: datetime) -> Job | None:
        return await self._end_run(lease, partial(runs.fail, lease=lease, failure=failure, now=now))

    async def cancelled(self, lease: Lease, *, now: datetime) -> Job | None:
        return await self._end_run(lease, partial(runs.cancelled, lease=lease, now=now))

    async def fail_late(self, *, now: datetime) -> Sequence[Job]:
        return await self._database.write(partial(job_changes.fail_late, now=now))

    async def request_cancel(self, tenant: str, job_id: str, *, now: datetime) -> Job:
        return await self._database.write(partial(job_changes.request_cancel, tenant=tenant, job_id=job_id, now=now))

    async def delete(self, tenant: str, job_id: str) -> Job:
        job = await self._database.write(partial(job_changes.delete, tenant=tenant, job_id=job_id))
        with suppress(StoreUnavailable):  # it is deleted; what is left of it in a file, the janitor comes back for
            await self._database.scrub()
        return job

    async def close(self) -> None:
        await self._recorder.close()
        await self._database.close()

    async def _end_run(self, lease: Lease, change: Callable[[sa.Connection], T]) -> T:
        """Store what the run reported last, then change its state, in one transaction: no report outlives its run."""
        report = await self._recorder.take(lease)

        def record_and_change(connection: sa.Connection) -> T:
            if report is not None:
                runs.record(connection, {lease: report})
            return change(connection)

        return await self._storing(lease, report, record_and_change)

    async def _storing(self, lease: Lease, report: Report | None, change: Callable[[sa.Connection], T]) -> T:
        """What was taken from the recorder goes back to it when it could not be stored, but for what never can be: the
        run ends without it.
        """
        try:
            return await self._database.write(change)
        except Broken:
            raise
        except BaseException:
            self._recorder.put_back(lease, report)
            raise
