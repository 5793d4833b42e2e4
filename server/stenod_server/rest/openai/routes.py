"""The endpoints of the dialect."""

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from stenod_server.domain.access import Scope
from stenod_server.domain.decoding import Task
from stenod_server.errors import ModelNotFound
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.long_answer import EventStream, LongAnswer
from stenod_server.rest.model_names import recogniser
from stenod_server.rest.openai import document
from stenod_server.rest.openai.dialect import OpenAiDialect
from stenod_server.rest.openai.events import transcript_events
from stenod_server.rest.openai.fields import MEDIA
from stenod_server.rest.openai.references import enrolled, read_references
from stenod_server.rest.openai.request import TranscriptionRequest, read_request
from stenod_server.rest.openai.responses import CONTENT_TYPES, JSON, answer
from stenod_server.rest.operation import operation
from stenod_server.rest.received import ReceivedForm, receive_form
from stenod_server.rest.services import Services
from stenod_server.scheduler.attendance import Attended
from stenod_server.scheduler.intake import StoredMedia
from stenod_server.scheduler.scheduler import Submission

MAX_FIELDS_BYTES: Final = 4 * 1024 * 1024  # four recordings of ten seconds, as WAV files with one channel
_ANY_NAME: Final = "*"
_FILLERS: Final = {JSON: b" "}  # plain text has no byte that means nothing


def openai(services: Services) -> APIRouter:
    router, dialect = APIRouter(prefix="/v1", tags=["OpenAI audio"]), OpenAiDialect()

    @router.post(
        "/audio/transcriptions",
        summary="Transcribe a recording, and wait for it",
        responses=document.TRANSCRIBE,
        openapi_extra=document.form(),
    )
    @operation("OpenAiTranscribe", dialect, Scope.SUBMIT, changes=True)
    async def transcribe(request: Request) -> Response:
        return await _answered(services, request, Task.TRANSCRIBE)

    @router.post(
        "/audio/translations",
        summary="Write down in English what is said, and wait for it",
        responses=document.TRANSCRIBE,
        openapi_extra=document.form(),
    )
    @operation("OpenAiTranslate", dialect, Scope.SUBMIT, changes=True)
    async def translate(request: Request) -> Response:
        return await _answered(services, request, Task.TRANSLATE)

    @router.get("/models", summary="The names that `model` may have", responses=document.MODELS)
    @operation("OpenAiListModels", dialect, Scope.READ)
    async def list_models() -> document.ModelList:
        names = {**await services.scheduler.models(), **services.options.model_aliases}
        return document.ModelList(object="list", data=[_model(name) for name in sorted(names) if name != _ANY_NAME])

    @router.get("/models/{model:path}", summary="Whether a recogniser stands for a name", responses=document.MODEL)
    @operation("OpenAiGetModel", dialect, Scope.READ)
    async def get_model(model: str) -> document.Model:
        loaded = await services.scheduler.models()
        name = recogniser(services.options.model_aliases, model, loaded) or services.default_model
        if name not in loaded:
            raise ModelNotFound(model)
        return _model(model)

    return router


async def _answered(services: Services, request: Request, task: Task) -> Response:
    async with receive_form(request, services.intake, media_field=MEDIA, max_fields_bytes=MAX_FIELDS_BYTES) as form:
        asked = await _asked(services, request, form, task)
        attending, attended = await _attend(services, request, form, asked)
    if asked.stream:
        return EventStream(
            attending,
            transcript_events(services.scheduler, attended, asked.response_format),
            silence_s=services.options.keep_alive_s,
        )
    return LongAnswer(
        attending,
        lambda: _transcript(services, asked, attended),
        filler=_FILLERS.get(CONTENT_TYPES[asked.response_format], b""),
        silence_s=services.options.keep_alive_s,
    )


async def _asked(services: Services, request: Request, form: ReceivedForm, task: Task) -> TranscriptionRequest:
    known = read_references(form)
    asked = read_request(
        form,
        request_id=call_of(request).request_id,
        aliases=services.options.model_aliases,
        loaded=await services.scheduler.models(),
        task=task,
    )
    return replace(asked, config=await enrolled(services, known, asked.config, caller(request).tenant))


async def _attend(
    services: Services, request: Request, form: ReceivedForm, asked: TranscriptionRequest
) -> tuple[AsyncExitStack, Attended]:
    """The job, and what is to be left when its caller has the answer."""
    tenant, submission = caller(request).tenant, Submission(config=asked.config, interactive=True)
    form.is_submitted = True
    async with AsyncExitStack() as attending:
        attended = await attending.enter_async_context(
            services.attendance.attend(tenant, submission, StoredMedia(asked.media))
        )
        call_of(request).name_job(attended.job.job_id)
        return attending.pop_all(), attended


async def _transcript(services: Services, asked: TranscriptionRequest, attended: Attended) -> Response:
    job = await attended.wait()
    return await answer(asked, job, services.scheduler.segments(job))


def _model(name: str) -> document.Model:
    return document.Model(id=name, object="model", created=0, owned_by="stenod")
