"""What the dialect says: a transcript, or what went wrong. Their fields, names and units are the contract."""

import uuid
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from stenod_server import errors
from stenod_server.domain.diarization import DiarizationMode
from stenod_server.domain.job import Job
from stenod_server.domain.transcript import Segment, Word
from stenod_server.rest.status import http_status, retry_after
from stenod_server.text.turns import Turns, mean_confidence

ERROR_CODE: Final = 1  # the only one that is documented
_DOWNLOAD: Final = frozenset({errors.FetchRefused.reason, errors.FetchFailed.reason, errors.MediaNotFound.reason})
_STATUSES: Final = (
    (errors.EnginesExhausted, HTTPStatus.LOCKED),
    (errors.LimitExceeded, HTTPStatus.BAD_REQUEST),
    (errors.ModelNotFound, HTTPStatus.BAD_REQUEST),
)


class AssemblyAiWord(BaseModel):
    """A word, with its times in milliseconds from the start of the recording. `channel`: counted from 1."""

    channel: str | None = None
    confidence: float = Field(ge=0, le=1)
    end: int
    start: int
    text: str


class AssemblyAiUtterance(BaseModel):
    """What is said on one channel until another has the word."""

    channel: str
    confidence: float = Field(ge=0, le=1)
    end: int
    start: int
    text: str
    words: list[AssemblyAiWord]


class AssemblyAiTranscript(BaseModel):
    """`duration` in seconds. `uid` is `t_` and the id of the job. `stereo_decode`: each channel on its own."""

    blob: str
    duration: float
    stereo_decode: bool
    uid: str
    utterances: list[AssemblyAiUtterance] | None
    words: list[AssemblyAiWord]


class AssemblyAiProblem(BaseModel):
    """What went wrong."""

    code: int
    description: str
    uid: str


class AssemblyAiDialect:
    """How it says that something went wrong."""

    def refusal(self, error: errors.StenodError) -> Response:
        """The answer to a call that made no job: its `uid` is of nothing."""
        return _problem(error, _named(error.message), f"t_{uuid.uuid4()}")


def failure(error: errors.StenodError, job_id: str, address: str) -> Response:
    """The answer when a job has failed of `error`, whose metadata may name the leaf it was."""
    description = _named(error.message)
    if error.metadata.get("reason") in _DOWNLOAD:
        description = f"Download error to {address}, {description}"
    return _problem(error, description, uid_of(job_id))


def _problem(error: errors.StenodError, description: str, uid: str) -> Response:
    content = {"code": ERROR_CODE, "description": description, "uid": uid}
    return JSONResponse(content, _status(error), retry_after(error))


def transcript(job: Job, segments: Iterable[Segment]) -> dict[str, Any]:
    """The answer for a job that has its transcript. What belongs to a channel says so where each was recognised."""
    assert job.info  # noqa: S101  a SUCCEEDED job has one
    has_channels = job.config.diarization.mode is DiarizationMode.CHANNEL
    kept = list(segments)
    words = sorted((word for segment in kept for word in segment.words), key=lambda word: word.start_samples)
    return {
        "blob": " ".join(segment.text for segment in kept),
        "duration": job.info.duration_s,
        "stereo_decode": has_channels,
        "uid": uid_of(job.job_id),
        "utterances": _utterances(kept) if has_channels else None,
        "words": list(map(_word, words)),
    }


def _utterances(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    turns = Turns()
    return [
        _utterance(tuple(said)) for _, said in groupby(segments, key=lambda segment: turns.place(segment).utterance)
    ]


def _utterance(segments: Sequence[Segment]) -> dict[str, Any]:
    words = [word for segment in segments for word in segment.words]
    return {
        "channel": segments[0].channel,
        "confidence": round(mean_confidence(words), 4),
        "end": round(max(segment.end_s for segment in segments) * 1000),
        "start": round(segments[0].start_s * 1000),
        "text": " ".join(segment.text for segment in segments),
        "words": list(map(_word, words)),
    }


def uid_of(job_id: str) -> str:
    """As that system writes them; the job can be found by it."""
    return f"t_{uuid.UUID(job_id)}"


def _word(word: Word) -> dict[str, Any]:
    said = {
        "confidence": round(word.confidence, 4),
        "end": round(word.end_s * 1000),
        "start": round(word.start_s * 1000),
        "text": word.text,
    }
    return {"channel": word.channel, **said} if word.channel else said


def _status(error: errors.StenodError) -> int:
    if error.metadata.get("reason") in _DOWNLOAD:
        return HTTPStatus.BAD_REQUEST
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), http_status(error))


def _named(message: str) -> str:
    """The address by the name that callers of this dialect know it by."""
    return message.replace("media.uri", "audio_url")
