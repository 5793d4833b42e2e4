"""The endpoints of the dialect."""

from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from stenod_server.domain.access import Scope
from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import StenodError
from stenod_server.rest.assemblyai import answers
from stenod_server.rest.assemblyai.answers import AssemblyAiDialect, AssemblyAiProblem, AssemblyAiTranscript
from stenod_server.rest.assemblyai.parameters import MAX_MS, read_parameters
from stenod_server.rest.body import read_json
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.long_answer import LongAnswer
from stenod_server.rest.operation import operation
from stenod_server.rest.services import Services
from stenod_server.scheduler.intake import RemoteOrigin
from stenod_server.scheduler.scheduler import Submission

_PARAMETERS: Final = {
    "type": "object",
    "required": ["audio_url"],
    "additionalProperties": False,
    "properties": {
        "audio_url": {"type": "string", "minLength": 1, "description": "where the server fetches the recording"},
        "dual_channel": {
            "type": ["boolean", "null"],
            "default": False,
            "description": "each channel on its own; words and utterances say which: 1, 2",
        },
        "format_text": {
            "type": ["boolean", "null"],
            "default": True,
            "description": "capitals, and numbers in digits",
        },
        "punctuate": {"type": ["boolean", "null"], "default": True, "description": "marks of punctuation"},
        "audio_start_from": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": MAX_MS,
            "description": "where to begin, in milliseconds of the recording",
        },
        "audio_end_at": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": MAX_MS,
            "description": "where to end, in milliseconds of the recording; after audio_start_from",
        },
    },
}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.BAD_REQUEST: {"description": "A parameter is wrong, or the recording cannot be fetched or decoded"},
    HTTPStatus.UNAUTHORIZED: {"description": "No credentials, or wrong ones"},
    HTTPStatus.FORBIDDEN: {"description": "The caller may not do this"},
    HTTPStatus.NOT_FOUND: {"description": "The job was cancelled or deleted before it ended"},
    HTTPStatus.REQUEST_TIMEOUT: {"description": "The body stopped coming"},
    HTTPStatus.GONE: {"description": "The transcript's retention is over already"},
    HTTPStatus.LOCKED: {"description": "All engines are busy (setting assemblyai_admission: reject)"},
    HTTPStatus.TOO_MANY_REQUESTS: {"description": "A quota of the caller's is used up"},
    HTTPStatus.INTERNAL_SERVER_ERROR: {"description": "A fault of the server, with an id that its log has too"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"description": "The recogniser does not answer, the queue is full, or such"},
}


def assemblyai(services: Services) -> APIRouter:
    router, dialect = APIRouter(tags=["AssemblyAI on-premise"]), AssemblyAiDialect()

    @router.get(
        "/health",
        summary="Whether the server can transcribe",
        responses={
            200: {"description": "It can"},
            501: {"description": "It cannot: models load, or Triton is away"},
            503: {"description": "Too many calls are being answered already"},
        },
    )
    @operation("AssemblyAiHealth", dialect, None)
    async def health() -> Response:
        now = services.health()
        is_well = now.ready and now.alive and now.recognises
        return JSONResponse({"healthy": is_well}, HTTPStatus.OK if is_well else HTTPStatus.NOT_IMPLEMENTED)

    @router.post(
        "/transcribe/url",
        summary="Transcribe the recording at an address; answers when it is done",
        responses={
            200: {"model": AssemblyAiTranscript},
            **{code: {"model": AssemblyAiProblem, **said} for code, said in _REFUSALS.items()},
        },
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _PARAMETERS}}}},
    )
    @operation("AssemblyAiTranscribe", dialect, Scope.SUBMIT, changes=True)
    async def transcribe_url(request: Request) -> Response:
        parameters = read_parameters(await read_json(request))
        tenant, options = caller(request).tenant, services.options
        submission = Submission(
            config=parameters.config(options, request_id=call_of(request).request_id),
            fail_fast=options.assemblyai_fails_fast,
            interactive=True,
        )
        media = RemoteOrigin(RemoteMedia(uri=parameters.audio_url))
        attending = AsyncExitStack()
        attended = await attending.enter_async_context(services.attendance.attend(tenant, submission, media))
        call_of(request).name_job(attended.job.job_id)

        async def answer() -> Response:
            try:
                job = await attended.wait()
            except StenodError as error:
                return answers.failure(error, attended.job.job_id, parameters.audio_url)
            segments = [segment async for segment in services.scheduler.segments(job)]
            return JSONResponse(answers.transcript(job, segments))

        return LongAnswer(attending, answer, filler=b" ", silence_s=options.keep_alive_s)

    return router
