"""The client: a thin, typed front of `stenod.v1.TranscriptionService` that uploads, waits and retries what is safe."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Final, Self, Unpack
from uuid import uuid4

import grpc

from stenod import _convert, _streams
from stenod._channel import Connection, caller_metadata, open_channel
from stenod._options import Format, JobOptions, job_config, transcript_format
from stenod._recording import Media
from stenod._retry import RetryPolicy
from stenod._subtitle_options import SubtitleOptions, subtitle_options
from stenod._upload import media_source
from stenod.errors import DeadlineExceeded, JobFailed, StenodError
from stenod.results import Capacity, Job, JobState, JobUpdate, Model, Segment, Transcript
from stenod.v1 import job_pb2
from stenod.v1 import transcription_service_pb2 as pb

_CANCEL_S: Final = 2.0  # how long the end of a cancelled `transcribe` waits for the server


class Client:
    """A connection to a server, as an asynchronous context manager.

        async with stenod.Client("localhost:50051") as client:
            job = await client.submit("meeting.mp3", language="en")
            await client.wait(job.job_id)
            transcript = await client.transcript(job.job_id)

    Connects with the first call. Safe to share between tasks of one event loop; cancelling a task cancels its call.
    Every call may raise StenodError (see `stenod.errors`). An `api_key` should only travel with `credentials`: those of
    `stenod.tls()`.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        api_key: str = "",
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.address = address
        self._metadata = caller_metadata(api_key)
        self._credentials = credentials
        self._retry = retry or RetryPolicy()
        self._open: Connection | None = None

    async def __aenter__(self) -> Self:
        self._open = Connection(open_channel(self.address, self._credentials), self._retry, self._metadata)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection, self._open = self._connection, None
        await connection.channel.close()

    # --- jobs ---------------------------------------------------------------------------------------------------

    async def submit(
        self,
        media: Media,
        *,
        file_name: str = "",
        request_id: str = "",
        config: job_pb2.JobConfig | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Hand a recording over; returns as soon as the job is safely stored.

        `media` is a path, an address (`https://…`, `s3://…`), the bytes, an open binary file, or an asynchronous
        iterator of bytes. Up to 3 MiB travel with the request, more is uploaded first. `headers` (an
        `Authorization`, say) are what the server sends when it fetches an address. `options` are laid over `config`.
        The same `request_id` gives the same job; without one each call makes a job, and exactly one.
        """
        request = pb.SubmitJobRequest(
            request_id=request_id or str(uuid4()),
            media=await media_source(self._connection, media, file_name, headers),
            config=job_config(config, options),
        )
        response = await self._connection.call_patiently(self._connection.stub.SubmitJob, request)
        return _convert.job(response.job)

    async def transcribe(
        self,
        media: Media,
        *,
        file_name: str = "",
        timeout_s: float | None = None,
        config: job_pb2.JobConfig | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[JobOptions],
    ) -> Transcript:
        """Submit, wait and fetch, for a recording of any length. When cancelled or out of time, cancels the job."""
        job = await self.submit(media, file_name=file_name, config=config, headers=headers, **options)
        try:
            job, segments = await self._wait(job.job_id, timeout_s, include_segments=True)
        except (asyncio.CancelledError, DeadlineExceeded):
            with suppress(StenodError, TimeoutError):
                await asyncio.wait_for(self.cancel(job.job_id), _CANCEL_S)
            raise
        if not all(segment.final for segment in segments):  # the server is older than this client
            return await self.transcript(job.job_id)
        return _convert.transcript(job.job_id, job.proto.transcript_info, segments)

    async def job(self, job_id: str) -> Job:
        """The job as it is now."""
        response = await self._connection.call(self._connection.stub.GetJob, pb.GetJobRequest(job_id=job_id))
        return _convert.job(response.job)

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until the job has succeeded, through restarts of the server.

        Raises JobFailed when it ended otherwise, DeadlineExceeded after `timeout_s` (the job goes on).
        """
        return (await self._wait(job_id, timeout_s, include_segments=False))[0]

    def watch(self, job_id: str, *, include_segments: bool = False) -> AsyncGenerator[JobUpdate, None]:
        """The job at once, then whenever it changes, until it has ended; each segment once, in order."""
        return _streams.watch_job(self._connection, job_id, include_segments=include_segments)

    def jobs(
        self, *, states: Sequence[JobState] = (), user_id: str = "", tag: str = "", limit: int | None = None
    ) -> AsyncGenerator[Job, None]:
        """The jobs, newest first, fetched page by page."""
        return _streams.list_jobs(self._connection, states=states, user_id=user_id, tag=tag, limit=limit)

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; one that has ended stays as it is."""
        response = await self._connection.call(self._connection.stub.CancelJob, pb.CancelJobRequest(job_id=job_id))
        return _convert.job(response.job)

    async def delete(self, job_id: str, *, force: bool = False) -> Job:
        """Erase a job with its media and transcript; `force` stops it first. Returns it as it was."""
        request = pb.DeleteJobRequest(job_id=job_id, force=force)
        return _convert.job((await self._connection.call(self._connection.stub.DeleteJob, request)).job)

    # --- transcripts --------------------------------------------------------------------------------------------

    async def transcript(self, job_id: str) -> Transcript:
        """The whole transcript of a job that has succeeded."""
        return await _streams.transcript(self._connection, job_id)

    async def rendered(
        self, job_id: str, form: Format, **subtitles: Unpack[SubtitleOptions]
    ) -> AsyncGenerator[str, None]:
        """The transcript as json, json-v2, txt, srt or vtt, in pieces; the options shape the cues of srt and vtt."""
        request = pb.GetTranscriptRequest(
            job_id=job_id, format=transcript_format(form), subtitles=subtitle_options(subtitles)
        )
        stream = self._connection.stream(self._connection.stub.GetTranscript, request)
        async with aclosing(stream) as messages:
            async for message in messages:
                if message.rendered_chunk:
                    yield message.rendered_chunk.decode()

    # --- the server ---------------------------------------------------------------------------------------------

    async def capacity(self) -> Capacity:
        """How busy the server is."""
        response = await self._connection.call(self._connection.stub.GetCapacity, pb.GetCapacityRequest())
        return _convert.capacity(response.capacity)

    def watch_capacity(self) -> AsyncGenerator[Capacity, None]:
        """The capacity at once, then whenever it changes; without an end."""
        return _streams.watch_capacity(self._connection)

    async def models(self) -> tuple[Model, ...]:
        """The recognisers that are loaded, by name."""
        response = await self._connection.call(self._connection.stub.ListModels, pb.ListModelsRequest())
        return tuple(map(_convert.model, response.models))

    async def health(self, service: str = "") -> bool:
        """Whether the server can answer calls; `capacity`: would accept a job now; `liveness`: its work progresses.

        Raises Unavailable at once when nobody answers.
        """
        return await self._connection.health(service)

    async def _wait(
        self, job_id: str, timeout_s: float | None, *, include_segments: bool
    ) -> tuple[Job, tuple[Segment, ...]]:
        watch = _streams.watch_job(self._connection, job_id, include_segments=include_segments, skip_progress=True)
        segments: list[Segment] = []
        try:
            async with asyncio.timeout(timeout_s), aclosing(watch) as updates:
                async for update in updates:
                    job = update.job
                    segments += update.segments
        except DeadlineExceeded:
            raise
        except TimeoutError as error:
            message = f"job {job_id} has not ended within {timeout_s:g} s"
            raise DeadlineExceeded(message) from error
        if job.state is not JobState.SUCCEEDED:
            raise JobFailed(job)
        return job, tuple(segments)

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            message = "a stenod.Client is used as `async with stenod.Client(…) as client:`"
            raise RuntimeError(message)
        return self._open
