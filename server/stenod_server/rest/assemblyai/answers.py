"""What the dialect says: a transcript, or what went wrong. Their fields, names and units are the contract."""

import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from stenod_server import errors
from stenod_server.domain.job import Failure, Job
from stenod_server.domain.transcript import Segment, Word
from stenod_server.rest.status import http_status, retry_after

ERROR_CODE: Final = 1  # the only one that is documented
_DOWNLOAD: Final = frozenset({errors.FetchRefused.reason, errors.FetchFailed.reason, errors.MediaNotFound.reason})
_INTERNAL: Final = frozenset({errors.Broken.reason, *(kind.reason for kind in errors.Broken.__subclasses__())})


class AssemblyAiWord(BaseModel):
    """A word, with its times in milliseconds from the start of the recording."""

    confidence: float = Field(ge=0, le=1)
    end: int
    start: int
    text: str


class AssemblyAiTranscript(BaseModel):
    """`duration` in seconds. `uid` is `t_` and the id of the job."""

    blob: str
    duration: float
    stereo_decode: bool
    uid: str
    utterances: list[dict[str, Any]] | None
    words: list[AssemblyAiWord]


class AssemblyAiProblem(BaseModel):
    """What went wrong."""

    code: int
    description: str
    uid: str


class AssemblyAiDialect:
    """How it says that something went wrong."""

    def refusal(self, error: errors.StenodError) -> Response:
        """`uid` is that of the job where the call had made one."""
        job_id = error.metadata.get("job_id", "")
        return problem(_status(error), _words(error), uid_of(job_id), retry_after(error))


def problem(status: int, description: str, uid: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": ERROR_CODE, "description": description, "uid": uid}, status, headers)


def failure(job: Job, failed: Failure, address: str) -> Response:
    """The answer for a job that failed."""
    description = _named(failed.message)
    if failed.reason in _DOWNLOAD:
        return problem(HTTPStatus.BAD_REQUEST, f"Download error to {address}, {description}", uid_of(job.job_id))
    if failed.reason in _INTERNAL:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, description, uid_of(job.job_id))
    status = HTTPStatus.SERVICE_UNAVAILABLE if failed.retryable else HTTPStatus.BAD_REQUEST
    return problem(status, description, uid_of(job.job_id))


def transcript(job: Job, segments: Iterable[Segment], *, format_text: bool) -> dict[str, Any]:
    """The answer for a job that has its transcript."""
    assert job.info  # noqa: S101  a SUCCEEDED job has one
    words = [_word(word, format_text=format_text) for segment in segments for word in segment.words]
    return {
        "blob": " ".join(word["text"] for word in words),
        "duration": job.info.duration_s,
        "stereo_decode": False,
        "uid": uid_of(job.job_id),
        "utterances": None,
        "words": words,
    }


def uid_of(job_id: str) -> str:
    """As that system writes them. A call that made no job gets one of its own."""
    return f"t_{uuid.UUID(job_id) if job_id else uuid.uuid4()}"


def _word(word: Word, *, format_text: bool) -> dict[str, Any]:
    return {
        "confidence": round(word.confidence, 4),
        "end": round(word.end_s * 1000),
        "start": round(word.start_s * 1000),
        "text": word.text if format_text else word.text.lower(),
    }


def _status(error: errors.StenodError) -> int:
    if isinstance(error, errors.EnginesExhausted):
        return HTTPStatus.LOCKED
    if isinstance(error, errors.LimitExceeded | errors.FetchRefused):
        return HTTPStatus.BAD_REQUEST
    return http_status(error)


def _words(error: errors.StenodError) -> str:
    said = _named(error.message)
    return f"Download error, {said}" if error.reason in _DOWNLOAD else said


def _named(message: str) -> str:
    """The address by the name that callers of this dialect know it by."""
    return message.replace("media.uri", "audio_url")
