"""The segments of a job as a watch shows them: page by page, while it runs and after."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.transcript import Segment
from stenod_server.ports import JobStore

PAGE_SEGMENTS: Final = 500  # what one update carries at most


async def next_page(store: JobStore, job: Job, from_segment: int, *, drafts: bool) -> tuple[Segment, ...]:
    """The next segments; shown before the job has succeeded they are provisional."""
    final = job.state is JobState.SUCCEEDED
    page: list[Segment] = []
    stream = store.segments(job.job_id, from_index=from_segment, final=not drafts)
    async for segment in stream:
        page.append(segment if segment.final == final else replace(segment, final=final))
        if len(page) == PAGE_SEGMENTS:
            break
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()  # left early, it would hold its page until it is collected
    return tuple(page)
