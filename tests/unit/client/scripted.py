# ruff: noqa: N802  the calls have the names that the API gives them
"""A server that does what a test tells it: the API in memory, with faults to be met on the way."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stenod.v1 import capacity_pb2, job_pb2, media_pb2, transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import (
    TranscriptionServiceServicer,
    add_TranscriptionServiceServicer_to_server,
)

Context = Any
TEXT = "The best of all times."


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def make_status(code: int, reason: str, message: str = "told to fail", **metadata: str) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    _pack(status, error_details_pb2.ErrorInfo(reason=reason, domain="stenod.dev", metadata=metadata))
    return status


def with_retry_after(status: status_pb2.Status, seconds: float) -> status_pb2.Status:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(round(seconds * 1000))
    _pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


UNAVAILABLE = make_status(code_pb2.UNAVAILABLE, "DRAINING")


def make_segment(index: int, *, final: bool = True, speaker: str = "") -> transcript_pb2.Segment:
    """Five words of one second each, segment after segment."""
    words = [
        transcript_pb2.Word(
            text=text,
            start_offset=duration_pb2.Duration(seconds=5 * index + n),
            end_offset=duration_pb2.Duration(seconds=5 * index + n, nanos=500_000_000),
            confidence=0.75,
        )
        for n, text in enumerate(TEXT.split())
    ]
    return transcript_pb2.Segment(
        index=index,
        text=TEXT,
        start_offset=words[0].start_offset,
        end_offset=words[-1].end_offset,
        words=words,
        language="en",
        final=final,
        speaker=speaker,
    )


@dataclass
class Script:
    """What goes wrong, and what is seen of the callers.

    `faults[rpc]` are used up one a call; `break_uploads_after` are byte counts after which an upload breaks, one a
    stream; a watch breaks after `break_watches_after` messages, one a stream. A recording called `broken…` fails. With
    `hold_watches` a watch stays silent after its first message. It is ready, and has no capacity.
    """

    faults: dict[str, list[status_pb2.Status]] = field(default_factory=lambda: defaultdict(list))
    break_uploads_after: list[int] = field(default_factory=list)
    break_watches_after: list[int] = field(default_factory=list)
    hold_watches: bool = False
    shows_progress_always: bool = False  # as a server that does not know `skip_progress`
    final_count: int = 0  # of the segments that take the place of drafts when a watched job has ended
    watching: asyncio.Event = field(default_factory=asyncio.Event)  # a watch has sent its first message
    segment_count: int = 3
    calls: list[tuple[str, Any]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, job_pb2.Job] = field(default_factory=dict)
    media: dict[str, bytes] = field(default_factory=dict)  # by job
    uploads: dict[str, bytearray] = field(default_factory=dict)
    complete_uploads: set[str] = field(default_factory=set)

    def requests(self, rpc: str) -> list[Any]:
        return [request for name, request in self.calls if name == rpc]


class ScriptedServicer(TranscriptionServiceServicer):
    """stenod.v1 as a script has it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._ids = itertools.count(1)

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Context) -> pb.SubmitJobResponse:
        await self._enter("SubmitJob", request, context)
        known = [job for job in self.script.jobs.values() if job.request_id == request.request_id]
        if known:
            return pb.SubmitJobResponse(job=known[0])
        if request.media.upload_id:
            if request.media.upload_id not in self.script.complete_uploads:
                await _abort(context, make_status(code_pb2.FAILED_PRECONDITION, "UPLOAD_INCOMPLETE"))
            data = bytes(self.script.uploads[request.media.upload_id])
        else:
            data = request.media.inline
        job = job_pb2.Job(
            job_id=f"job-{next(self._ids)}",
            state=job_pb2.JOB_STATE_QUEUED,
            config=request.config,
            media=media_pb2.MediaInfo(file_name=request.media.file_name, size_bytes=len(data)),
            request_id=request.request_id,
        )
        self.script.jobs[job.job_id] = job
        self.script.media[job.job_id] = data
        return pb.SubmitJobResponse(job=job)

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        await self._enter("GetJob", request, context)
        return pb.GetJobResponse(job=await self._job(request.job_id, context))

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncIterator[pb.WatchJobResponse]:
        await self._enter("WatchJob", request, context)
        job = await self._job(request.job_id, context)
        left = self.script.break_watches_after.pop(0) if self.script.break_watches_after else -1
        for message in self._watch_messages(job, request):
            if left == 0:
                await _abort(context, UNAVAILABLE)
            left -= 1
            yield message
            self.script.watching.set()
            if self.script.hold_watches:
                await asyncio.Event().wait()

    def _watch_messages(self, job: job_pb2.Job, request: pb.WatchJobRequest) -> Iterator[pb.WatchJobResponse]:
        yield pb.WatchJobResponse(job=job)
        if request.skip_progress and not self.script.shows_progress_always:
            finish(job, self.script.segment_count)
            succeeded = job.state == job_pb2.JOB_STATE_SUCCEEDED
            for index in range(request.from_segment_index, self.script.segment_count if succeeded else 0):
                segments = [make_segment(index)] if request.include_segments else []
                yield pb.WatchJobResponse(job=job, segments=segments)
        elif job.state in {job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING}:
            yield from self._running(job, request)
        for index in range(self.script.final_count):
            yield pb.WatchJobResponse(job=job, segments=[make_segment(index, speaker=f"S{index + 1}")])
        yield pb.WatchJobResponse(job=job)

    def _running(self, job: job_pb2.Job, request: pb.WatchJobRequest) -> Iterator[pb.WatchJobResponse]:
        count = self.script.segment_count
        for index in range(request.from_segment_index, count):
            segments = [make_segment(index, final=False)] if request.include_segments else []
            job.state = job_pb2.JOB_STATE_RUNNING
            job.progress.ratio = (index + 1) / count
            yield pb.WatchJobResponse(job=job, segments=segments)
        finish(job, count)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        await self._enter("ListJobs", request, context)
        start = int(request.page_token or 0)
        jobs = [job for job in self.script.jobs.values() if not request.states or job.state in request.states][::-1]
        page = jobs[start : start + request.page_size]
        more = start + len(page) < len(jobs)
        return pb.ListJobsResponse(jobs=page, next_page_token=str(start + len(page)) if more else "")

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        await self._enter("CancelJob", request, context)
        job = await self._job(request.job_id, context)
        job.state = job_pb2.JOB_STATE_CANCELLED
        return pb.CancelJobResponse(job=job)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> pb.DeleteJobResponse:
        await self._enter("DeleteJob", request, context)
        job = await self._job(request.job_id, context)
        if job.state == job_pb2.JOB_STATE_RUNNING and not request.force:
            await _abort(context, make_status(code_pb2.FAILED_PRECONDITION, "JOB_RUNNING", "the job runs"))
        return pb.DeleteJobResponse(job=self.script.jobs.pop(request.job_id))

    async def GetTranscript(
        self, request: pb.GetTranscriptRequest, context: Context
    ) -> AsyncIterator[pb.GetTranscriptResponse]:
        await self._enter("GetTranscript", request, context)
        job = await self._job(request.job_id, context)
        left = self.script.break_watches_after.pop(0) if self.script.break_watches_after else -1
        yield pb.GetTranscriptResponse(info=job.transcript_info)
        for index in range(request.from_segment_index, self.script.segment_count):
            if left == 0:
                await _abort(context, UNAVAILABLE)
            left -= 1
            if request.format:
                name = transcript_pb2.TranscriptFormat.Name(request.format)
                yield pb.GetTranscriptResponse(rendered_chunk=f"{job.media.file_name} {name} {index}\n".encode())
            else:
                yield pb.GetTranscriptResponse(segment=make_segment(index))

    async def UploadMedia(
        self, request_iterator: AsyncIterator[pb.UploadMediaRequest], context: Context
    ) -> pb.UploadMediaResponse:
        metadata = (await anext(aiter(request_iterator))).metadata
        await self._enter("UploadMedia", metadata, context)
        stored = self.script.uploads.setdefault(metadata.upload_id, bytearray())
        if metadata.offset_bytes != len(stored):
            await _abort(context, make_status(code_pb2.FAILED_PRECONDITION, "UPLOAD_OFFSET_MISMATCH"))
        limit = self.script.break_uploads_after.pop(0) if self.script.break_uploads_after else None
        async for message in request_iterator:
            assert len(message.chunk) <= 1024**2
            stored.extend(message.chunk)
            if limit is not None and len(stored) >= limit:
                await _abort(context, UNAVAILABLE)
        if len(stored) == metadata.size_bytes or not metadata.size_bytes:
            self.script.complete_uploads.add(metadata.upload_id)
        return pb.UploadMediaResponse(upload=self._upload(metadata.upload_id))

    async def GetUpload(self, request: pb.GetUploadRequest, context: Context) -> pb.GetUploadResponse:
        await self._enter("GetUpload", request, context)
        if request.upload_id not in self.script.uploads:
            await _abort(context, make_status(code_pb2.NOT_FOUND, "UPLOAD_NOT_FOUND"))
        return pb.GetUploadResponse(upload=self._upload(request.upload_id))

    async def GetCapacity(self, request: pb.GetCapacityRequest, context: Context) -> pb.GetCapacityResponse:
        await self._enter("GetCapacity", request, context)
        return pb.GetCapacityResponse(capacity=make_capacity())

    async def WatchCapacity(
        self, request: pb.WatchCapacityRequest, context: Context
    ) -> AsyncIterator[pb.WatchCapacityResponse]:
        await self._enter("WatchCapacity", request, context)
        yield pb.WatchCapacityResponse(capacity=make_capacity())

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        await self._enter("ListModels", request, context)
        model = capacity_pb2.Model(name="moonshine-tiny-en", family="moonshine", languages=["en"], is_default=True)
        return pb.ListModelsResponse(models=[model])

    async def _enter(self, rpc: str, request: Any, context: Context) -> None:
        self.script.calls.append((rpc, request))
        self.script.metadata = dict(context.invocation_metadata())
        if self.script.faults[rpc]:
            await _abort(context, self.script.faults[rpc].pop(0))

    async def _job(self, job_id: str, context: Context) -> job_pb2.Job:
        if job_id not in self.script.jobs:
            message = f"job {job_id!r} does not exist"
            await _abort(context, make_status(code_pb2.NOT_FOUND, "JOB_NOT_FOUND", message, name=job_id))
        return self.script.jobs[job_id]

    def _upload(self, upload_id: str) -> media_pb2.Upload:
        stored = self.script.uploads[upload_id]
        complete = upload_id in self.script.complete_uploads
        return media_pb2.Upload(upload_id=upload_id, offset_bytes=len(stored), complete=complete)


def finish(job: job_pb2.Job, segment_count: int) -> None:
    job.start_time.FromSeconds(1_000)
    job.end_time.FromSeconds(1_002)
    if job.media.file_name.startswith("broken"):
        job.state = job_pb2.JOB_STATE_FAILED
        message = "the media cannot be decoded: no audio stream"
        job.error.CopyFrom(make_status(code_pb2.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA", message))
        return
    job.state = job_pb2.JOB_STATE_SUCCEEDED
    job.transcript_info.language = "en"
    job.transcript_info.duration.seconds = 5 * segment_count


def make_capacity() -> capacity_pb2.Capacity:
    return capacity_pb2.Capacity(
        node="node-1",
        max_engines=4,
        unused_engines=3,
        active_jobs=[capacity_pb2.ActiveJob(job_id="job-1", reserved_engines=1)],
        admission_mode=capacity_pb2.ADMISSION_MODE_QUEUE,
        accepting=True,
    )


@asynccontextmanager
async def scripted_server(
    script: Script, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """A real gRPC server; gives its address, which a later one can take over."""
    # Without this a second server could share the port with one that is not quite gone.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_TranscriptionServiceServicer_to_server(ScriptedServicer(script), server)  # type: ignore[no-untyped-call]
    health_servicer = health.aio.HealthServicer()
    await health_servicer.set("readiness", health_pb2.HealthCheckResponse.SERVING)
    await health_servicer.set("capacity", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def _abort(context: Context, status: status_pb2.Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, status.message, details)
