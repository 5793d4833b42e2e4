"""The API of the guide to running open speech models: submit a recording, ask for it until it is done."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stenod_server import errors
from stenod_server.domain import job_rules
from stenod_server.domain.access import Scope
from stenod_server.domain.job import Job, JobConfig, JobState, Origin
from stenod_server.domain.transcript import Segment, Word
from stenod_server.errors import InvalidField
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.operation import operation
from stenod_server.rest.received import ReceivedForm, receive_form
from stenod_server.rest.services import Services
from stenod_server.rest.status import http_status, retry_after
from stenod_server.scheduler.intake import SizeLimit, StoredMedia
from stenod_server.scheduler.scheduler import Submission

DIALECT: Final = "guide"
_MIB: Final = 1024**2
_FLAGS: Final = {
    **dict.fromkeys(("true", "1", "on", "yes", "t", "y"), True),
    **dict.fromkeys(("false", "0", "off", "no", "f", "n", ""), False),
}
_STATUSES: Final = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "processing",
    JobState.SUCCEEDED: "completed",
    JobState.CANCELLED: "failed: the job was cancelled",
}
_FORM: Final = {
    "type": "object",
    "required": ["audio"],
    "additionalProperties": False,
    "properties": {
        "audio": {"type": "string", "format": "binary", "description": "the recording, in any format"},
        "language": {
            "type": "string",
            "pattern": job_rules.LANGUAGE_PATTERN,
            "maxLength": job_rules.MAX_LANGUAGE_CHARACTERS,
            "description": "BCP-47, or auto; found out where there is none",
        },
        "word_timestamps": {
            "type": "string",
            "enum": list(_FLAGS),
            "default": "false",
            "description": "words with times in each segment; in any case",
        },
    },
}


class GuideJob(BaseModel):
    """`status` is `queued`."""

    job_id: str
    status: str


class GuideWord(BaseModel):
    """Times in seconds."""

    start: float
    end: float
    word: str
    probability: float


class GuideSegment(BaseModel):
    """Times in seconds. `words` where word_timestamps was asked for."""

    start: float
    end: float
    text: str
    words: list[GuideWord] | None = None


class GuideResult(BaseModel):
    """`language` and its probability are null where nothing was said."""

    text: str
    language: str | None
    language_probability: float | None
    segments: list[GuideSegment]


class GuideStatus(BaseModel):
    """`status`: queued, processing, completed, or `failed: ` and why. `result` once it is completed."""

    status: str
    result: GuideResult | None = None


class GuideProblem(BaseModel):
    """What went wrong."""

    detail: str


_LINKS: Final = {"Result": {"operationId": "GuideResult", "parameters": {"job_id": "$response.body#/job_id"}}}
DOOR: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: {"model": GuideProblem, "description": "No credentials, or wrong ones"},
    HTTPStatus.FORBIDDEN: {"model": GuideProblem, "description": "The caller may not do this"},
    HTTPStatus.TOO_MANY_REQUESTS: {"model": GuideProblem, "description": "A quota of the caller's is used up"},
    HTTPStatus.INTERNAL_SERVER_ERROR: {
        "model": GuideProblem,
        "description": "A fault of the server, with its id in the log",
    },
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "model": GuideProblem,
        "description": "No room in the queue, or the node goes away",
    },
}


class GuideDialect:
    """How it says that something went wrong: as FastAPI does."""

    def refusal(self, error: errors.StenodError) -> Response:
        status = http_status(error)
        if status is HTTPStatus.BAD_REQUEST or isinstance(error, errors.ModelNotFound):
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        elif isinstance(error, errors.JobExpired):
            status = HTTPStatus.NOT_FOUND
        return JSONResponse({"detail": _words(error, status)}, status, retry_after(error))


def guide(services: Services) -> APIRouter:
    router, dialect = APIRouter(tags=["Guide"]), GuideDialect()
    limit = SizeLimit("guide_max_media_bytes", services.options.guide_max_media_bytes)

    @router.post(
        "/transcribe/async",
        summary="Submit a recording",
        responses={
            200: {"model": GuideJob, "links": _LINKS},
            408: {"model": GuideProblem, "description": "The recording stopped coming"},
            413: {"model": GuideProblem, "description": "The recording is too large (setting guide_max_media_bytes)"},
            422: {"model": GuideProblem, "description": "A field is wrong, or there is no recording"},
            **DOOR,
        },
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
    )
    @operation("GuideSubmit", dialect, Scope.SUBMIT, changes=True)
    async def submit(request: Request) -> Response:
        async with receive_form(request, services.intake, media_field="audio", limit=limit) as form:
            config = _config(form, request_id=call_of(request).request_id)
            if form.media is None:
                raise InvalidField("audio", "is missing")
            form.is_submitted = True  # from here on it is the intake that discards
            job = await services.intake.submit(
                caller(request).tenant, Submission(config=config), StoredMedia(form.media)
            )
        call_of(request).name_job(job.job_id)
        return JSONResponse({"job_id": job.job_id, "status": "queued"})

    @router.get(
        "/transcribe/{job_id}",
        summary="How far a recording is, and its transcript when it is done",
        responses={200: {"model": GuideStatus}, 404: {"model": GuideProblem, "description": "No such job"}, **DOOR},
    )
    @operation("GuideResult", dialect, Scope.READ)
    async def result(request: Request, job_id: str) -> Response:
        call_of(request).name_job(job_id)
        tenant = caller(request).tenant
        job = await services.scheduler.get(tenant, job_id)
        if job.state is JobState.EXPIRED:
            raise errors.JobExpired(job_id)
        if job.state is JobState.FAILED and job.failure:
            return JSONResponse({"status": f"failed: {job.failure.message}"})
        answer: dict[str, Any] = {"status": _STATUSES[job.state]}
        if job.state is JobState.SUCCEEDED:
            answer["result"] = await _result(job, services.scheduler.segments(job))
        return JSONResponse(answer)

    return router


def _config(form: ReceivedForm, *, request_id: str) -> JobConfig:
    if unknown := sorted({name for name, _ in form.fields} - {"language", "word_timestamps"}):
        raise InvalidField(unknown[0], "no such field; there are audio, language, word_timestamps")
    language, flag = form.one("language") or "", form.one("word_timestamps") or ""
    if flag.lower() not in _FLAGS:
        raise InvalidField("word_timestamps", "must be true or false")
    words = json.dumps({"language": language, "word_timestamps": _FLAGS[flag.lower()]})
    return JobConfig(language=job_rules.language("language", language), origin=Origin(DIALECT, request_id, words))


def _wants_words(origin: Origin) -> bool:
    return origin.dialect == DIALECT and bool(json.loads(origin.config_json)["word_timestamps"])


async def _result(job: Job, segments: AsyncIterator[Segment]) -> dict[str, Any]:
    assert job.info  # noqa: S101  a SUCCEEDED job has one
    with_words = _wants_words(job.config.origin)
    found = [_segment(segment, with_words=with_words) async for segment in segments]
    return {
        "text": " ".join(segment["text"] for segment in found),
        "language": job.info.language or None,
        "language_probability": round(job.info.language_confidence, 4) if job.info.language else None,
        "segments": found,
    }


def _segment(segment: Segment, *, with_words: bool) -> dict[str, Any]:
    times = {"start": round(segment.start_s, 3), "end": round(segment.end_s, 3), "text": segment.text}
    return {**times, "words": [_word(word) for word in segment.words]} if with_words else times


def _word(word: Word) -> dict[str, Any]:
    return {
        "start": round(word.start_s, 3),
        "end": round(word.end_s, 3),
        "word": word.text,
        "probability": round(word.confidence, 4),
    }


def _words(error: errors.StenodError, status: HTTPStatus) -> str:
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"File exceeds {float(error.metadata['allowed']) / _MIB:g}MB limit"
    if isinstance(error, errors.JobNotFound | errors.JobExpired):
        return "Job not found"
    return error.message
