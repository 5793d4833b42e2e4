"""`/v2/jobs` and what is below it, but for the submit."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from stenod_server import errors
from stenod_server.domain.access import Scope
from stenod_server.domain.job import JobState
from stenod_server.errors import InvalidField, JobNotFinished
from stenod_server.ports import JobFilter
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.operation import operation
from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics.answers import Jobs, OneJob, Recording, refusals, rendered
from stenod_server.rest.speechmatics.dialect import ErrorName, Saying, SpeechmaticsDialect
from stenod_server.rest.speechmatics.job_log import job_log
from stenod_server.rest.speechmatics.job_view import deleted_info, job_info, status_of
from stenod_server.rest.speechmatics.transcripts import JSON_V2_TYPE, TranscriptForm, open_transcript
from stenod_server.rest.speechmatics.waiting import WaitS, waited_for
from stenod_server.text.render import TranscriptFormat

MAX_JOBS: Final = 100
_KEPT: Final = tuple(state for state in JobState if state is not JobState.EXPIRED)
_TIME: Final = {"format": "date-time"}
_LIST_DIALECT: Final = SpeechmaticsDialect(
    {errors.InvalidField: Saying(ErrorName.UNPROCESSABLE_ENTITY, HTTPStatus.UNPROCESSABLE_ENTITY)}
)
_LOG_DIALECT: Final = SpeechmaticsDialect({errors.JobNotFinished: Saying(ErrorName.LOG_NOT_AVAILABLE)})


def add_listing(router: APIRouter, services: Services) -> None:
    @router.get("/v2/jobs", summary="List jobs, the newest first", response_model=Jobs, responses=refusals(422))
    @operation("SpeechmaticsList", _LIST_DIALECT, Scope.READ)
    async def list_jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_JOBS)] = MAX_JOBS,
        created_before: Annotated[str | None, Query(json_schema_extra=_TIME)] = None,
        created_after: Annotated[str | None, Query(json_schema_extra=_TIME)] = None,
        include_deleted: Annotated[  # noqa: FBT002  a parameter of a query
            bool, Query(description="Changes nothing: deleted jobs are erased")
        ] = False,
    ) -> Response:
        del include_deleted
        before = _time("created_before", created_before)
        job_filter = JobFilter(
            states=_KEPT,
            before=(before, "") if before else None,
            since=_time("created_after", created_after),
        )
        jobs = await services.scheduler.list(caller(request).tenant, job_filter, limit=limit)
        return JSONResponse({"jobs": [job_info(job) for job in jobs]})


def add_one_job(router: APIRouter, services: Services) -> None:
    dialect = SpeechmaticsDialect()

    @router.get("/v2/jobs/{job_id}", summary="A job", response_model=OneJob, responses=refusals(400, 404, 410))
    @operation("SpeechmaticsGet", dialect, Scope.READ)
    async def get_job(request: Request, job_id: str, wait: WaitS = 0) -> Response:
        job = await waited_for(services.scheduler, caller(request).tenant, job_id, wait)
        return JSONResponse({"job": job_info(job)})

    @router.delete(
        "/v2/jobs/{job_id}",
        summary="Erase a job with its recording and its transcript",
        response_model=OneJob,
        responses=refusals(400, 404, 423),
    )
    @operation("SpeechmaticsDelete", dialect, Scope.SUBMIT, changes=True)
    async def delete_job(
        request: Request,
        job_id: str,
        force: Annotated[bool, Query(description="Also a job that runs")] = False,  # noqa: FBT002  as above
    ) -> Response:
        call_of(request).name_job(job_id)
        job = await services.scheduler.delete(caller(request).tenant, job_id, force=force)
        return JSONResponse({"job": deleted_info(job)})


def add_results(router: APIRouter, services: Services) -> None:
    dialect = SpeechmaticsDialect()
    text = {"content": {JSON_V2_TYPE: {"schema": {"type": "object"}}, "text/plain": {"schema": {"type": "string"}}}}

    @router.get(
        "/v2/jobs/{job_id}/transcript",
        summary="The transcript of a job that is done",
        response_class=StreamingResponse,
        responses={200: text, **refusals(400, 404, 410)},
    )
    @operation("SpeechmaticsTranscript", dialect, Scope.READ)
    async def transcript(
        request: Request,
        job_id: str,
        format: TranscriptForm = TranscriptForm.JSON_V2,  # noqa: A002  the parameter's name
        wait: WaitS = 0,
    ) -> Response:
        job = await waited_for(services.scheduler, caller(request).tenant, job_id, wait)
        services.scheduler.check_succeeded(job)
        pieces = rendered(services.scheduler, job, open_transcript(TranscriptFormat(format.value), job))
        return StreamingResponse(pieces, headers={"content-type": format.content_type})

    @router.get(
        "/v2/jobs/{job_id}/data",
        summary="The recording of a job",
        response_class=Response,
        responses={
            200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
            **refusals(404, 410),
        },
    )
    @operation("SpeechmaticsData", dialect, Scope.READ)
    async def data(request: Request, job_id: str) -> Response:
        job = await services.scheduler.get(caller(request).tenant, job_id)
        if not job.media.key and not job.state.is_terminal:
            raise JobNotFinished(f"the recording of job {job_id!r} has not been fetched yet", state=job.state)
        return Recording(services.intake.media_of(job.tenant, job_id))


def add_logs(router: APIRouter, services: Services) -> None:
    @router.get(
        "/v2/jobs/{job_id}/log",
        summary="What is known of the life of a job that has ended",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals(404, 410)},
    )
    @operation("SpeechmaticsLog", _LOG_DIALECT, Scope.READ)
    async def log(request: Request, job_id: str) -> Response:
        job = await services.scheduler.get(caller(request).tenant, job_id)
        if status_of(job) == "running":
            raise JobNotFinished(f"job {job_id!r} has not ended yet: there is no log of it", state=job.state)
        return PlainTextResponse(job_log(job))


def _time(field: str, text: str | None) -> datetime | None:
    """Without a zone it is UTC. Raises InvalidField."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(field, "is no time like 2026-01-31T12:00:00Z") from error
