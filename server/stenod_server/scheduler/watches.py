"""Following a job: its states, its progress, and its segments page by page, while it runs and after."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from stenod_server.domain.diarization import DiarizationMode
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.transcript import Segment
from stenod_server.errors import Draining
from stenod_server.ports import JobStore
from stenod_server.scheduler.updates import JobUpdates, JobWatcher

PAGE_SEGMENTS: Final = 500  # what one update carries at most


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job as it is now, and its segments finished since the last update."""

    job: Job
    segments: tuple[Segment, ...] = ()


class Watches:
    """Of the jobs of all tenants. Where nothing is announced, the store is asked every `poll_s`."""

    def __init__(self, store: JobStore, updates: JobUpdates, *, poll_s: float) -> None:
        self._store = store
        self._updates = updates
        self._poll_s = poll_s

    async def ends(self, tenant: str, job_id: str) -> AsyncIterator[Job]:
        """The job now, and once more when it has ended. Raises JobNotFound, also when it is deleted meanwhile; Draining
        when the node goes away before that.
        """
        with self._updates.watch(job_id) as watcher:
            job = await self._store.get(tenant, job_id)
            yield job
            if job.state.is_terminal:
                return
            while not job.state.is_terminal:
                job = await self._news(watcher, job)
            yield job

    async def wait(self, tenant: str, job_id: str) -> Job:
        """The job once it has ended. Raises what `ends` raises."""
        *_, job = [job async for job in self.ends(tenant, job_id)]
        return job

    async def watch(
        self, tenant: str, job_id: str, *, from_segment: int = 0, include_segments: bool = True
    ) -> AsyncIterator[JobUpdate]:
        """The job now, then whenever it changed, until it has ended; changes merge for a slow reader, segments are
        never left out. Those of a job that tells speakers apart are drafts; once it has SUCCEEDED all of the final ones
        follow, whatever `from_segment`. Raises what `ends` raises.
        """
        shown: Job | None = None
        with self._updates.watch(job_id) as watcher:
            job = await self._store.get(tenant, job_id)
            drafts = job.config.diarization.mode is DiarizationMode.SPEAKER
            while True:
                if drafts and job.state is JobState.SUCCEEDED:
                    drafts, from_segment = False, 0
                page = await self._page(job, from_segment, drafts=drafts) if include_segments else ()
                from_segment += len(page)
                if page or job != shown:
                    yield JobUpdate(job, page)
                    shown = job
                if len(page) == PAGE_SEGMENTS:
                    continue  # there may be more; the last message of all is the one with the terminal state
                if job.state.is_terminal:
                    return
                job = await self._news(watcher, job)

    def check_staying(self) -> None:
        """Raises Draining once nothing will be told here any more."""
        if self._updates.has_ended:
            raise Draining("this node goes away; ask again, and another one or its successor answers")

    async def _news(self, watcher: JobWatcher, job: Job) -> Job:
        """The job after the next change, or after a while."""
        if self._updates.has_ended:
            now = await self._store.get(job.tenant, job.job_id)
            if now == job:
                self.check_staying()
            return now
        return await watcher.changed(self._poll_s) or await self._store.get(job.tenant, job.job_id)

    async def _page(self, job: Job, from_segment: int, *, drafts: bool) -> tuple[Segment, ...]:
        """The next segments; shown before the job has succeeded they are provisional."""
        final = job.state is JobState.SUCCEEDED
        page: list[Segment] = []
        stream = self._store.segments(job.job_id, from_index=from_segment, final=not drafts)
        async for segment in stream:
            page.append(segment if segment.final == final else replace(segment, final=final))
            if len(page) == PAGE_SEGMENTS:
                break
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()  # left early, it would hold its page until it is collected
        return tuple(page)
