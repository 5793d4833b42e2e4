"""Group commit for progress: what running jobs report is gathered for a moment and stored in one transaction.

A crash loses at most the last moment's reports of jobs that are run again anyway.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from stenod_server.domain.job import Progress
from stenod_server.domain.transcript import Segment
from stenod_server.errors import Broken, StenodError
from stenod_server.store import job_changes
from stenod_server.store.database import Database
from stenod_server.store.job_changes import Report

GATHER_S: Final = 0.1  # ten syncs a second whatever the number of jobs; nobody reads progress more often

_log = structlog.get_logger()


class ProgressRecorder:
    """Gathers reports and stores them every `gather_s` seconds, while there are any."""

    def __init__(self, database: Database, *, gather_s: float = GATHER_S) -> None:
        self._database = database
        self._gather_s = gather_s
        self._pending: dict[str, Report] = {}
        self._errors: dict[str, StenodError] = {}  # of jobs whose last report could not be stored
        self._storing = asyncio.Lock()  # held from taking the reports until their commit
        self._flusher: asyncio.Task[None] | None = None

    def add(self, job_id: str, progress: Progress, segments: Sequence[Segment]) -> None:
        """Never waits. Raises what befell the job's report before this one; both are still to be stored."""
        report = Report(progress, tuple(segments))
        self._put(job_id, self._pending[job_id].then(report) if job_id in self._pending else report)
        if error := self._errors.pop(job_id, None):
            raise error

    async def take(self, job_id: str) -> Report | None:
        """What is left to store of the job, now the caller's to store. A report under way is waited for."""
        async with self._storing:
            self._errors.pop(job_id, None)
            return self._pending.pop(job_id, None)

    def put_back(self, job_id: str, report: Report | None) -> None:
        """Undo `take`: the caller could not store it."""
        if report is not None:
            self._put(job_id, report.then(self._pending.get(job_id)))

    async def settle(self, job_id: str) -> None:
        """Wait until what was reported of the job is stored, or failed to be. Hurries nothing: readers who poll
        must not turn the group commit into a commit for each report.
        """
        if job_id in self._pending and self._flusher is not None:
            await asyncio.wait([self._flusher])
        async with self._storing:
            pass

    async def close(self) -> None:
        """Store what is pending."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        await self._store_pending()

    def _put(self, job_id: str, report: Report) -> None:
        self._pending[job_id] = report
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._store_soon(), name="store-recorder")

    async def _store_soon(self) -> None:
        await asyncio.sleep(self._gather_s)
        await asyncio.shield(self._store_pending())

    async def _store_pending(self) -> None:
        async with self._storing:
            reports, self._pending = self._pending, {}
            if reports:
                await self._store(reports)

    async def _store(self, reports: Mapping[str, Report]) -> None:
        """What cannot be stored is not lost while its job lives: the next report or the job's end carries it along."""
        try:
            await self._database.write(partial(job_changes.record, reports=reports))
        except Broken as error:
            if len(reports) > 1:  # one of them is at fault: find it, spare the others
                for job_id, report in reports.items():
                    await self._store({job_id: report})
            else:
                self._keep(reports, error)
        except StenodError as error:
            self._keep(reports, error)

    def _keep(self, reports: Mapping[str, Report], error: StenodError) -> None:
        for job_id, report in reports.items():
            self._pending[job_id] = report.then(self._pending.get(job_id))
            self._errors[job_id] = error
        _log.warning("progress_not_stored", jobs=len(reports), error=str(error))
