"""TranscriptionService: each handler checks and converts the request, calls the scheduler, converts the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from stenod.v1 import job_pb2, transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceServicer
from stenod_server.domain.access import Scope
from stenod_server.domain.capacity import Capacity
from stenod_server.domain.job import Job, JobConfig, JobState
from stenod_server.errors import Draining, InvalidField
from stenod_server.ports import JobFilter
from stenod_server.rpc import convert, fields, job_config
from stenod_server.rpc.caller import caller
from stenod_server.rpc.rendering import format_of, subtitle_shape
from stenod_server.rpc.uploads import receive
from stenod_server.scheduler.intake import Intake
from stenod_server.scheduler.notifier import Notifier
from stenod_server.scheduler.scheduler import Scheduler, Submission
from stenod_server.scheduler.watches import PAGE_SEGMENTS
from stenod_server.text.render import Renderer, Renderings
from stenod_server.text.turns import Turns

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TranscriptionServicer(TranscriptionServiceServicer):
    """Holds no state of its own. The names of the methods are the API's."""

    def __init__(
        self,
        scheduler: Scheduler,
        intake: Intake,
        notifier: Notifier,
        renderings: Renderings,
        *,
        default_model: str,
        max_page_size: int,
    ) -> None:
        self._scheduler = scheduler
        self._intake = intake
        self._notifier = notifier
        self._renderings = renderings
        self._default_model = default_model
        self._max_page_size = max_page_size

    # --- jobs ---------------------------------------------------------------------------------------------------

    async def SubmitJob(self, request: pb.SubmitJobRequest, _context: Context) -> pb.SubmitJobResponse:
        config = self._config(request.config)
        if request.validate_only:
            self._intake.check(fields.media_origin(request.media))
            await self._scheduler.check(config, fail_fast=request.config.scheduling.fail_fast)
            return pb.SubmitJobResponse(job=job_pb2.Job(config=job_config.to_proto(config)))
        return pb.SubmitJobResponse(job=convert.job(await self._submit(request, config)))

    async def GetJob(self, request: pb.GetJobRequest, _context: Context) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=convert.job(await self._job(request.job_id)))

    async def WatchJob(self, request: pb.WatchJobRequest, _context: Context) -> AsyncIterator[pb.WatchJobResponse]:
        job_id = fields.required("job_id", request.job_id)
        from_index = fields.at_least_zero("from_segment_index", request.from_segment_index)
        if request.skip_progress:
            async for job in self._scheduler.watches.ends(caller().tenant, job_id):
                if request.include_segments and job.state is JobState.SUCCEEDED:
                    async for page in self._pages(job, from_index):
                        yield pb.WatchJobResponse(job=convert.job(job), segments=page)
                else:
                    yield pb.WatchJobResponse(job=convert.job(job))
            return
        updates = self._scheduler.watches.watch(
            caller().tenant, job_id, from_segment=from_index, include_segments=request.include_segments
        )
        async for update in updates:
            segments = [convert.segment(segment) for segment in update.segments]
            yield pb.WatchJobResponse(job=convert.job(update.job), segments=segments)

    async def ListJobs(self, request: pb.ListJobsRequest, _context: Context) -> pb.ListJobsResponse:
        size = fields.page_size(request.page_size, self._max_page_size)
        job_filter = JobFilter(
            states=fields.states(request.states),
            user_id=request.user_id,
            tag=request.tag,
            before=fields.read_page_token(request.page_token),
        )
        jobs = await self._scheduler.list(caller().tenant, job_filter, limit=size + 1)
        page = jobs[:size]
        token = fields.write_page_token(page[-1]) if len(jobs) > size else ""
        return pb.ListJobsResponse(jobs=[convert.job(job) for job in page], next_page_token=token)

    async def CancelJob(self, request: pb.CancelJobRequest, _context: Context) -> pb.CancelJobResponse:
        job = await self._scheduler.cancel(caller().tenant, fields.required("job_id", request.job_id))
        return pb.CancelJobResponse(job=convert.job(job))

    async def DeleteJob(self, request: pb.DeleteJobRequest, _context: Context) -> pb.DeleteJobResponse:
        job = await self._scheduler.delete(
            caller().tenant, fields.required("job_id", request.job_id), force=request.force
        )
        return pb.DeleteJobResponse(job=convert.job(job))

    # --- transcripts --------------------------------------------------------------------------------------------

    async def Transcribe(self, request: pb.TranscribeRequest, _context: Context) -> pb.TranscribeResponse:
        form, config = format_of(request.format), self._config(request.config)
        shape = subtitle_shape(request.subtitles, config.subtitles)
        job = await self._submit(request, config, interactive=True)
        try:
            job = await self._scheduler.wait(caller().tenant, job.job_id)
        except (asyncio.CancelledError, Draining):
            if not request.request_id:
                # Nobody knows the job who could come back for it: do not transcribe for nobody.
                await asyncio.shield(self._scheduler.cancel(caller().tenant, job.job_id))
            raise
        self._scheduler.check_succeeded(job)
        if form is None:
            segments = [segment async for segment in self._segments(job)]
            return pb.TranscribeResponse(job=convert.job(job), segments=segments)
        pieces = [piece async for piece in self._rendered(job, self._renderings.open(form, job, shape))]
        return pb.TranscribeResponse(job=convert.job(job), rendered="".join(pieces))

    async def GetTranscript(
        self, request: pb.GetTranscriptRequest, _context: Context
    ) -> AsyncIterator[pb.GetTranscriptResponse]:
        form = format_of(request.format)
        from_index = fields.at_least_zero("from_segment_index", request.from_segment_index)
        if form and from_index:
            raise InvalidField("from_segment_index", "goes without format: a rendered transcript is whole")
        job = await self._job(request.job_id)
        self._scheduler.check_succeeded(job)
        shape = subtitle_shape(request.subtitles, job.config.subtitles)
        renderer = self._renderings.open(form, job, shape) if form else None
        yield pb.GetTranscriptResponse(info=convert.info(job.info) if job.info else None)
        if renderer is None:
            async for segment in self._segments(job, from_index):
                yield pb.GetTranscriptResponse(segment=segment)
            return
        async for piece in self._rendered(job, renderer):
            yield pb.GetTranscriptResponse(rendered_chunk=piece.encode())

    # --- media --------------------------------------------------------------------------------------------------

    async def UploadMedia(
        self, request_iterator: AsyncIterator[pb.UploadMediaRequest], _context: Context
    ) -> pb.UploadMediaResponse:
        return pb.UploadMediaResponse(
            upload=convert.upload(await receive(self._intake.uploads, caller().tenant, request_iterator))
        )

    async def GetUpload(self, request: pb.GetUploadRequest, _context: Context) -> pb.GetUploadResponse:
        upload = await self._intake.uploads.get(caller().tenant, fields.required("upload_id", request.upload_id))
        return pb.GetUploadResponse(upload=convert.upload(upload))

    # --- the node -----------------------------------------------------------------------------------------------

    async def GetCapacity(self, _request: pb.GetCapacityRequest, _context: Context) -> pb.GetCapacityResponse:
        capacity = await self._scheduler.capacity()
        return pb.GetCapacityResponse(capacity=convert.capacity(_as_seen(capacity)))

    async def WatchCapacity(
        self, _request: pb.WatchCapacityRequest, _context: Context
    ) -> AsyncIterator[pb.WatchCapacityResponse]:
        async for capacity in self._scheduler.watch_capacity():
            yield pb.WatchCapacityResponse(capacity=convert.capacity(_as_seen(capacity)))

    async def ListModels(self, request: pb.ListModelsRequest, _context: Context) -> pb.ListModelsResponse:
        size = fields.at_least_zero("page_size", request.page_size)
        profiles = await self._scheduler.models()
        names = [name for name in sorted(profiles) if name > request.page_token]
        page = names[:size] if size else names
        return pb.ListModelsResponse(
            models=[convert.model(profiles[name], is_default=name == self._default_model) for name in page],
            next_page_token=page[-1] if len(page) < len(names) else "",
        )

    # --- shared -------------------------------------------------------------------------------------------------

    async def _job(self, job_id: str) -> Job:
        return await self._scheduler.get(caller().tenant, fields.required("job_id", job_id))

    def _config(self, message: job_pb2.JobConfig) -> JobConfig:
        config = job_config.from_proto(message)
        self._notifier.check("config.notifications[{}]", config.notifications, tenant=caller().tenant)
        return config

    async def _submit(
        self, request: pb.SubmitJobRequest | pb.TranscribeRequest, config: JobConfig, *, interactive: bool = False
    ) -> Job:
        submission = Submission(
            config=config,
            request_id=fields.request_id(request.request_id),
            fail_fast=request.config.scheduling.fail_fast,
            interactive=interactive,
        )
        return await self._intake.submit(caller().tenant, submission, fields.media_origin(request.media))

    async def _segments(self, job: Job, from_index: int = 0) -> AsyncIterator[transcript_pb2.Segment]:
        """Those before are read, too: which utterance one belongs to follows from them."""
        turns = Turns()
        async for segment in self._scheduler.segments(job):
            turn = turns.place(segment)
            if segment.index >= from_index:
                yield convert.segment(segment, turn)

    async def _pages(self, job: Job, from_index: int) -> AsyncIterator[list[transcript_pb2.Segment]]:
        """At least one, which may be empty."""
        page: list[transcript_pb2.Segment] = []
        async for segment in self._segments(job, from_index):
            if len(page) == PAGE_SEGMENTS:
                yield page
                page = []
            page.append(segment)
        yield page

    async def _rendered(self, job: Job, renderer: Renderer) -> AsyncIterator[str]:
        """The pieces that say something, in order."""
        if start := renderer.start():
            yield start
        async for segment in self._scheduler.segments(job):
            if piece := renderer.feed(segment):
                yield piece
        if end := renderer.finish():
            yield end


def _as_seen(capacity: Capacity) -> Capacity:
    """The caller's own jobs; the whole node's for an admin."""
    principal = caller()
    return capacity if principal.may(Scope.ADMIN) else capacity.seen_by(principal.tenant)
