"""`SqlJobStore`: the JobStore over a SQL database. What each method means stands in `ports.JobStore`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from stenod_server.domain.job import Failure, Job, JobEvent, JobState, Progress
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.ports import JobFilter
from stenod_server.store import job_changes, job_queries
from stenod_server.store.database import Database
from stenod_server.store.job_changes import Report
from stenod_server.store.recorder import GATHER_S, ProgressRecorder

T = TypeVar("T")


class SqlJobStore:
    """Implements `ports.JobStore`; the database is its own to close."""

    def __init__(self, database: Database, *, gather_s: float = GATHER_S) -> None:
        self._database = database
        self._recorder = ProgressRecorder(database, gather_s=gather_s)

    # --- reading --------------------------------------------------------------------------------------------------

    async def get(self, tenant: str, job_id: str) -> Job:
        return await self._database.read(partial(job_queries.get, tenant=tenant, job_id=job_id))

    async def list(self, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
        return await self._database.read(partial(job_queries.page, tenant=tenant, job_filter=job_filter, limit=limit))

    async def queued(self, *, limit: int) -> Sequence[Job]:
        return await self._database.read(partial(job_queries.queued, limit=limit))

    async def counts(self) -> Mapping[JobState, int]:
        return await self._database.read(job_queries.counts)

    async def segments(self, job_id: str, *, from_index: int = 0) -> AsyncIterator[Segment]:
        """Page by page, each a statement of its own: a slow reader holds no snapshot and no memory."""
        await self._recorder.settle(job_id)
        while page := await self._database.read(
            partial(job_queries.segment_page, job_id=job_id, from_index=from_index)
        ):
            for segment in page:
                yield segment
            from_index = page[-1].index + 1

    async def ping(self) -> None:
        await self._database.read(job_queries.ping)

    # --- changing -------------------------------------------------------------------------------------------------

    async def submit(self, job: Job, *, max_queued_jobs: int) -> Job:
        return await self._database.write(partial(job_changes.submit, job=job, max_queued_jobs=max_queued_jobs))

    async def claim(self, job_id: str, *, node: str, now: datetime) -> Job | None:
        return await self._database.write(partial(job_changes.claim, job_id=job_id, node=node, now=now))

    async def record(self, job_id: str, progress: Progress, segments: Sequence[Segment]) -> None:
        self._recorder.add(job_id, progress, segments)

    async def release(self, job_id: str, *, now: datetime) -> Job | None:
        return await self._end_run(
            job_id, partial(job_changes.give_back, job_id=job_id, event=JobEvent.RELEASE, now=now)
        )

    async def rescue(self, node: str, *, now: datetime) -> Sequence[Job]:
        return await self._database.write(partial(job_changes.rescue, node=node, now=now))

    async def complete(
        self, job_id: str, info: TranscriptInfo, segments: Sequence[Segment], *, now: datetime
    ) -> Job | None:
        report = await self._recorder.take(job_id)
        last = [*(report.segments if report else ()), *segments]
        return await self._storing(
            job_id, report, partial(job_changes.complete, job_id=job_id, info=info, last=last, now=now)
        )

    async def fail(self, job_id: str, failure: Failure, *, now: datetime) -> Job | None:
        return await self._end_run(job_id, partial(job_changes.fail, job_id=job_id, failure=failure, now=now))

    async def cancelled(self, job_id: str, *, now: datetime) -> Job | None:
        return await self._end_run(job_id, partial(job_changes.cancelled, job_id=job_id, now=now))

    async def request_cancel(self, tenant: str, job_id: str, *, now: datetime) -> Job:
        return await self._database.write(partial(job_changes.request_cancel, tenant=tenant, job_id=job_id, now=now))

    async def delete(self, tenant: str, job_id: str) -> Job:
        return await self._database.write(partial(job_changes.delete, tenant=tenant, job_id=job_id))

    async def close(self) -> None:
        await self._recorder.close()
        await self._database.close()

    async def _end_run(self, job_id: str, change: Callable[[sa.Connection], T]) -> T:
        """Store what the run reported last, then change its state, in one transaction: no report outlives its run."""
        report = await self._recorder.take(job_id)

        def record_and_change(connection: sa.Connection) -> T:
            if report is not None:
                job_changes.record(connection, {job_id: report})
            return change(connection)

        return await self._storing(job_id, report, record_and_change)

    async def _storing(self, job_id: str, report: Report | None, change: Callable[[sa.Connection], T]) -> T:
        """What was taken from the recorder goes back to it when it could not be stored."""
        try:
            return await self._database.write(change)
        except BaseException:
            self._recorder.put_back(job_id, report)
            raise
