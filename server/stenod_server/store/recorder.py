"""Group commit for progress: what running jobs report is gathered for a moment and stored in one transaction.

A crash loses at most the last moment's reports of jobs that are run again anyway.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from stenod_server.domain.job import Lease
from stenod_server.errors import Broken, StenodError
from stenod_server.store import runs
from stenod_server.store.database import Database
from stenod_server.store.runs import Report

GATHER_S: Final = 0.1  # ten syncs a second whatever the number of jobs; nobody reads progress more often

_log = structlog.get_logger()


class ProgressRecorder:
    """Gathers reports and stores them every `gather_s` seconds, while there are any.

    A report that could not be stored is not lost while its job lives: the job's next report or its end carries it
    along. It is not tried again by itself, for what is wrong may be the report.
    """

    def __init__(self, database: Database, *, gather_s: float = GATHER_S) -> None:
        self._database = database
        self._gather_s = gather_s
        self._pending: dict[Lease, Report] = {}
        self._pending_done = asyncio.Event()  # set once what is pending now is stored, or failed to be
        self._failed: dict[Lease, tuple[Report, StenodError]] = {}
        self._storing = asyncio.Lock()  # held from taking the reports until their commit
        self._flusher: asyncio.Task[None] | None = None

    def add(self, lease: Lease, report: Report) -> None:
        """Never waits. Raises what befell the run's report before this one; both are still to be stored."""
        older, error = self._pop(lease)
        self._put(lease, older.then(report) if older else report)
        if error is not None:
            raise error

    async def take(self, lease: Lease) -> Report | None:
        """What is left to store of the run, now the caller's to store. A report under way is waited for."""
        async with self._storing:
            report, _ = self._pop(lease)
            if not self._pending:  # so nobody may come any more to store it, and to say so
                self._next_pending_done().set()
            return report

    def put_back(self, lease: Lease, report: Report | None) -> None:
        """Undo `take`: the caller could not store it."""
        if report is not None:
            newer, _ = self._pop(lease)
            self._put(lease, report.then(newer))

    async def settle(self, job_id: str) -> None:
        """Wait until what was reported of the job is stored, or failed to be. Hurries nothing: readers who poll
        must not turn the group commit into a commit for each report.
        """
        if any(lease.job_id == job_id for lease in self._pending):
            await self._pending_done.wait()
        else:
            async with self._storing:
                pass

    async def close(self) -> None:
        """Store what is pending."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        await self._store_pending()

    def _pop(self, lease: Lease) -> tuple[Report | None, StenodError | None]:
        """Everything known of the run, oldest first, and why it is not stored if that was tried."""
        newer = self._pending.pop(lease, None)
        if lease not in self._failed:
            return newer, None
        older, error = self._failed.pop(lease)
        return older.then(newer), error

    def _put(self, lease: Lease, report: Report) -> None:
        self._pending[lease] = report
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._store_soon(), name="store-recorder")

    async def _store_soon(self) -> None:
        """Ends when nothing is pending. What is reported while others are being stored waits for the next turn."""
        while self._pending:
            await asyncio.sleep(self._gather_s)
            await asyncio.shield(self._store_pending())

    async def _store_pending(self) -> None:
        async with self._storing:
            reports, self._pending = self._pending, {}
            done = self._next_pending_done()
            try:
                if reports:
                    await self._store(reports)
            finally:
                done.set()

    def _next_pending_done(self) -> asyncio.Event:
        """The event of what was pending until now; what is reported from now on has another one."""
        done, self._pending_done = self._pending_done, asyncio.Event()
        return done

    async def _store(self, reports: Mapping[Lease, Report]) -> None:
        try:
            await self._database.write(partial(runs.record, reports=reports))
        except Broken as error:
            if len(reports) == 1:
                self._keep(reports, error)
                return
            for lease, report in reports.items():  # one of them is at fault: find it, spare the others
                await self._store({lease: report})
        except StenodError as error:
            self._keep(reports, error)

    def _keep(self, reports: Mapping[Lease, Report], error: StenodError) -> None:
        self._failed.update((lease, (report, error)) for lease, report in reports.items())
        _log.warning("progress_not_stored", jobs=len(reports), error=str(error))
