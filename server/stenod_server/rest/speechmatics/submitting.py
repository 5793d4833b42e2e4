"""`POST /v2/jobs`."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from stenod_server.domain.access import Scope
from stenod_server.domain.job import Job, JobConfig, JobState, RemoteMedia
from stenod_server.errors import EngineUnavailable, InvalidField
from stenod_server.ports import ModelProfile
from stenod_server.rest import model_names
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.operation import operation
from stenod_server.rest.received import ReceivedForm, receive_form
from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics.answers import Accepted, refusals, rendered
from stenod_server.rest.speechmatics.config import PROCESSING_DATA, Asked, read_config, read_processing_data
from stenod_server.rest.speechmatics.dialect import SpeechmaticsDialect
from stenod_server.rest.speechmatics.document import links, submit_form
from stenod_server.rest.speechmatics.job_view import errors_of, status_of
from stenod_server.rest.speechmatics.transcripts import TranscriptForm, open_transcript
from stenod_server.rest.speechmatics.waiting import WaitS, waited_for
from stenod_server.rest.speechmatics.wire import ProcessingData
from stenod_server.scheduler.intake import MediaOrigin, RemoteOrigin, StoredMedia
from stenod_server.scheduler.scheduler import Submission
from stenod_server.text.render import TranscriptFormat


def add_submitting(router: APIRouter, services: Services) -> None:
    dialect = SpeechmaticsDialect()

    @router.post(
        "/v2/jobs",
        summary="Submit a job",
        status_code=HTTPStatus.CREATED,
        response_model=Accepted,
        responses={201: {"links": links()}, **refusals(400, 408, 413)},
        openapi_extra={"requestBody": submit_form()},
    )
    @operation("SpeechmaticsSubmit", dialect, Scope.SUBMIT, changes=True)
    async def submit(
        request: Request,
        wait: WaitS = 0,
        format: TranscriptForm = TranscriptForm.JSON_V2,  # noqa: A002  the parameter's name
        processing_data: Annotated[
            str | None, Header(alias=PROCESSING_DATA, description='Like `{"parallel_engines": 2, "user_id": "me"}`')
        ] = None,
    ) -> Response:
        job = await _submitted(services, request, read_processing_data(processing_data))
        call_of(request).name_job(job.job_id)
        if not wait:
            return JSONResponse({"id": job.job_id}, HTTPStatus.CREATED)
        job = await waited_for(services.scheduler, job.tenant, job.job_id, wait)
        return _answer(services, job, format)


async def _submitted(services: Services, request: Request, processing: ProcessingData) -> Job:
    fails_fast = services.options.speechmatics_fails_fast
    engines = JobConfig(parallel_engines=processing.parallel_engines or 1)
    await services.scheduler.check(engines, fail_fast=fails_fast)  # before gigabytes come in for nothing
    async with receive_form(request, services.intake, media_field="data_file") as form:
        asked = _asked(form, processing, request_id=call_of(request).request_id)
        tenant = caller(request).tenant
        services.notifier.check("notification_config.{}", asked.config.notifications, tenant=tenant)
        submission = Submission(config=await _with_model(services, asked), fail_fast=fails_fast)
        origin = _origin(form, asked.remote)
        form.is_submitted = True  # from here on it is the intake that discards
        return await services.intake.submit(tenant, submission, origin)


def _asked(form: ReceivedForm, processing: ProcessingData, *, request_id: str) -> Asked:
    for name, _ in form.fields:
        if name != "config":
            raise InvalidField(name, "there is no such field here")
    text = form.one("config")
    if text is None:
        raise InvalidField("config", "is required")
    return read_config(text, processing, request_id=request_id)


async def _with_model(services: Services, asked: Asked) -> JobConfig:
    loaded: Mapping[str, ModelProfile] = {}
    with contextlib.suppress(EngineUnavailable):  # the queue takes jobs while no recogniser is up
        loaded = await services.scheduler.models()
    is_point = asked.model in services.scheduler.operating_points()
    if is_point and asked.model not in services.options.model_aliases:
        return replace(asked.config, operating_point=asked.model)
    name = model_names.recogniser(services.options.model_aliases, asked.model, loaded)
    return replace(asked.config, model=name)


def _origin(form: ReceivedForm, remote: RemoteMedia | None) -> MediaOrigin:
    if remote and form.media:
        raise InvalidField("data_file", "is given beside fetch_data: one recording makes a job")
    if remote:
        return RemoteOrigin(remote)
    if form.media is None:
        raise InvalidField("data_file", "is missing, and there is no fetch_data")
    return StoredMedia(form.media)


def _answer(services: Services, job: Job, form: TranscriptForm) -> Response:
    """How far the job is; with its transcript where it is done."""
    about: dict[str, Any] = {"id": job.job_id, "status": status_of(job)}
    if job.state is not JobState.SUCCEEDED:
        if errors := errors_of(job):
            about["errors"] = errors
        return JSONResponse(about, HTTPStatus.CREATED)
    pieces = rendered(services.scheduler, job, open_transcript(TranscriptFormat(form.value), job))
    return StreamingResponse(_embedded(about, form, pieces), HTTPStatus.CREATED, media_type="application/json")


async def _embedded(about: Mapping[str, Any], form: TranscriptForm, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """The transcript as a member of the answer, piece by piece: an object where it is JSON, else a string."""
    is_text = form is not TranscriptForm.JSON_V2
    quote = '"' if is_text else ""
    yield f"{json.dumps(about)[:-1]}, {json.dumps(form.value)}: {quote}"
    async for piece in pieces:
        yield json.dumps(piece)[1:-1] if is_text else piece
    yield quote + "}"
