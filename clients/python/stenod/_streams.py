"""Streams that go on after a broken connection, from where they were; and lists, page by page."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from stenod import _convert
from stenod._channel import Connection
from stenod._retry import Patience
from stenod.errors import Unavailable
from stenod.results import Capacity, Job, JobState, JobUpdate, Segment, Transcript
from stenod.v1.transcript_pb2 import TranscriptInfo
from stenod.v1.transcription_service_pb2 import (
    GetTranscriptRequest,
    ListJobsRequest,
    WatchCapacityRequest,
    WatchJobRequest,
)

_PAGE_SIZE: Final = 200


async def watch_job(
    connection: Connection, job_id: str, *, include_segments: bool = False, skip_progress: bool = False
) -> AsyncGenerator[JobUpdate, None]:
    """Ends when the server has nothing more to tell of a job that has ended: the last segments can take several
    updates.
    """
    patience = Patience(connection.retry)
    next_index = next_final = 0
    while True:
        has_ended = False
        request = WatchJobRequest(
            job_id=job_id,
            include_segments=include_segments,
            from_segment_index=next_index,
            skip_progress=skip_progress,
        )
        try:
            async with aclosing(connection.stream(connection.stub.WatchJob, request)) as messages:
                async for message in messages:
                    patience.renew()
                    # Where a watch goes on, final segments that take the place of drafts come from the first one.
                    update = _without_seen(_convert.update(message), next_final)
                    if update.segments:
                        next_index = update.segments[-1].index + 1
                        next_final = next_index if update.segments[-1].final else next_final
                    has_ended = update.job.state.has_ended
                    yield update
            if has_ended:
                return
            await patience.wait(Unavailable(f"the server ended the watch of job {job_id} before the job ended"))
        except Unavailable as error:
            await patience.wait(error)


def _without_seen(update: JobUpdate, next_final: int) -> JobUpdate:
    segments = tuple(one for one in update.segments if not one.final or one.index >= next_final)
    return replace(update, segments=segments)


async def transcript(connection: Connection, job_id: str) -> Transcript:
    """All of it, in memory."""
    info = TranscriptInfo()
    segments: list[Segment] = []
    async for piece in _transcript_pieces(connection, job_id):
        if isinstance(piece, Segment):
            segments.append(piece)
        else:
            info = piece
    return _convert.transcript(job_id, info, tuple(segments))


async def _transcript_pieces(connection: Connection, job_id: str) -> AsyncGenerator[TranscriptInfo | Segment, None]:
    """The facts first, then the segments in order, each once."""
    patience = Patience(connection.retry)
    next_index = 0
    informed = False
    while True:
        request = GetTranscriptRequest(job_id=job_id, from_segment_index=next_index)
        try:
            async with aclosing(connection.stream(connection.stub.GetTranscript, request)) as messages:
                async for message in messages:
                    patience.renew()
                    if message.WhichOneof("piece") == "segment":
                        next_index = message.segment.index + 1
                        yield _convert.segment(message.segment)
                    elif not informed:
                        informed = True
                        yield message.info
        except Unavailable as error:
            await patience.wait(error)
        else:
            return


async def watch_capacity(connection: Connection) -> AsyncGenerator[Capacity, None]:
    """Without an end of its own."""
    patience = Patience(connection.retry)
    while True:
        try:
            stream = connection.stream(connection.stub.WatchCapacity, WatchCapacityRequest())
            async with aclosing(stream) as messages:
                async for message in messages:
                    patience.renew()
                    yield _convert.capacity(message.capacity)
            await patience.wait(Unavailable("the server ended the watch of its capacity"))
        except Unavailable as error:
            await patience.wait(error)


async def list_jobs(
    connection: Connection, *, states: Sequence[JobState], user_id: str, tag: str, limit: int | None
) -> AsyncGenerator[Job, None]:
    """Newest first; at most `limit`."""
    request = ListJobsRequest(states=[f"JOB_STATE_{state}" for state in states], user_id=user_id, tag=tag)
    left = limit
    while left is None or left > 0:
        request.page_size = _PAGE_SIZE if left is None else min(_PAGE_SIZE, left)
        response = await connection.call(connection.stub.ListJobs, request)
        for message in response.jobs[:left]:
            yield _convert.job(message)
        left = None if left is None else left - len(response.jobs)
        request.page_token = response.next_page_token
        if not request.page_token:
            return
