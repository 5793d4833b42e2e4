"""How this API says that something went wrong: `{code, error, detail}`.

The batch worker says `{detail}` alone, and the Python clients print all of it; the JavaScript client believes only
`error`s that it knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stenod_server import errors
from stenod_server.domain import diarization_rules, formatting_rules
from stenod_server.domain.decoding import Option
from stenod_server.rest.speechmatics import diarization, formatting
from stenod_server.rest.status import http_status, retry_after
from stenod_server.scheduler.abilities import FIELDS


class ErrorName(StrEnum):
    """Those of the API's description that are said here."""

    BAD_REQUEST = "Bad Request"
    FILE_EXPIRED = "File Expired"
    FORMAT_NOT_SUPPORTED = "Format Not Supported"
    INTERNAL_SERVER_ERROR = "Internal Server Error"
    JOB_ERROR = "Job error"
    JOB_EXPIRED = "Job Expired"
    JOB_NOT_FOUND = "Job not found"
    JOB_REJECTED = "Job rejected"
    LOG_NOT_AVAILABLE = "Log file not available"
    MALFORMED_REQUEST = "Malformed request"
    MISSING_DATA_FILE = "Missing data_file"
    NOT_IMPLEMENTED = "Not Implemented"
    NOT_READY = "Transcription not ready"
    PERMISSION_DENIED = "Permission Denied"
    PRODUCT_NOT_AVAILABLE = "Requested product not available"
    RESOURCE_LOCKED = "Resource Locked"
    UNPROCESSABLE_ENTITY = "Unprocessable Entity"


class ErrorBody(BaseModel):
    """What every answer but a good one says."""

    code: int
    error: ErrorName
    detail: str


@dataclass(frozen=True, slots=True)
class Saying:
    """How an error is said. No `status`: that of the table of all dialects."""

    error: ErrorName
    status: HTTPStatus | None = None


_SAYINGS: Final[Mapping[type[errors.StenodError], Saying]] = {
    errors.InvalidRequest: Saying(ErrorName.BAD_REQUEST),
    errors.LimitExceeded: Saying(ErrorName.BAD_REQUEST),
    errors.Unauthenticated: Saying(ErrorName.PERMISSION_DENIED),
    errors.PermissionDenied: Saying(ErrorName.PERMISSION_DENIED),
    errors.JobNotFound: Saying(ErrorName.JOB_NOT_FOUND),
    errors.ModelNotFound: Saying(ErrorName.PRODUCT_NOT_AVAILABLE, HTTPStatus.BAD_REQUEST),
    errors.JobExpired: Saying(ErrorName.JOB_EXPIRED),
    errors.MediaGone: Saying(ErrorName.FILE_EXPIRED),
    errors.JobNotFinished: Saying(ErrorName.NOT_READY),
    errors.JobFinished: Saying(ErrorName.JOB_REJECTED),
    errors.JobRunning: Saying(ErrorName.RESOURCE_LOCKED),
    errors.EnginesUnsatisfiable: Saying(ErrorName.JOB_ERROR, HTTPStatus.SERVICE_UNAVAILABLE),
    errors.Unavailable: Saying(ErrorName.JOB_ERROR),
    errors.Broken: Saying(ErrorName.INTERNAL_SERVER_ERROR),
}
_OF_FIELDS: Final[Mapping[str, ErrorName]] = {
    "config": ErrorName.MALFORMED_REQUEST,
    "content-type": ErrorName.MALFORMED_REQUEST,
    "body": ErrorName.MALFORMED_REQUEST,
    "data_file": ErrorName.MISSING_DATA_FILE,
    "format": ErrorName.FORMAT_NOT_SUPPORTED,
}
# What parts of the node that know no dialect call it, and its name here.
_NAMES: Final = (
    ("media.uri", "fetch_data.url"),
    ("media.headers", "fetch_data.auth_headers"),
    ("subtitles.", "output_config.srt_overrides."),
    (FIELDS[Option.VOCABULARY], "transcription_config.additional_vocab"),
    *((ours, formatting.NAMES[field]) for field, ours in formatting_rules.FIELDS.items() if field in formatting.NAMES),
    *((ours, diarization.NAMES[field]) for field, ours in diarization_rules.FIELDS.items() if diarization.NAMES[field]),
)


@dataclass(frozen=True, slots=True)
class SpeechmaticsDialect:
    """`sayings`: what an operation says in other words."""

    sayings: Mapping[type[errors.StenodError], Saying] = field(default_factory=dict)

    def refusal(self, error: errors.StenodError) -> Response:
        said = self._said(error)
        status = said.status or _status(error)
        body = {"code": int(status), "error": str(said.error), "detail": _detail(error)}
        return JSONResponse(body, status, headers=retry_after(error))

    def _said(self, error: errors.StenodError) -> Saying:
        for kind in type(error).__mro__:
            if kind in self.sayings:
                return self.sayings[kind]
        if isinstance(error, errors.InvalidField) and error.field in _OF_FIELDS:
            return Saying(_OF_FIELDS[error.field])
        return next(_SAYINGS[kind] for kind in type(error).__mro__ if kind in _SAYINGS)


def _status(error: errors.StenodError) -> HTTPStatus:
    """This API knows 422 of its list alone."""
    status = http_status(error)
    return HTTPStatus.BAD_REQUEST if status is HTTPStatus.UNPROCESSABLE_ENTITY else status


def _detail(error: errors.StenodError) -> str:
    message = error.message
    for ours, theirs in _NAMES:
        message = message.replace(ours, theirs)
    return message
