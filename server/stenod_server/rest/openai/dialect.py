"""How the dialect says that something went wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from stenod_server import errors
from stenod_server.domain import diarization_rules
from stenod_server.domain.decoding import Option
from stenod_server.errors import StenodError
from stenod_server.rest.status import http_status, retry_after
from stenod_server.scheduler.abilities import FIELDS

# Where the original differs from what most systems answer.
_STATUSES: Final[Mapping[type[StenodError], HTTPStatus]] = {
    errors.EnginesExhausted: HTTPStatus.TOO_MANY_REQUESTS,
    errors.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyCalls: HTTPStatus.TOO_MANY_REQUESTS,
    errors.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,  # its clients repeat what is answered 409
    errors.JobFinished: HTTPStatus.CONFLICT,
}
# What a job failed of, by its reason: it comes without the leaf's class.
_OF_FAILURES: Final[Mapping[str, HTTPStatus]] = {
    errors.LimitExceeded.reason: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ModelNotFound.reason: HTTPStatus.NOT_FOUND,
    errors.JobDeadlineExceeded.reason: HTTPStatus.GATEWAY_TIMEOUT,
}
_CODES: Final[Mapping[type[StenodError], str]] = {
    errors.Unauthenticated: "invalid_api_key",
    errors.ModelNotFound: "model_not_found",
    errors.EnginesExhausted: "rate_limit_exceeded",
    errors.QueueFull: "rate_limit_exceeded",
    errors.QuotaExceeded: "rate_limit_exceeded",
    errors.TooManyCalls: "rate_limit_exceeded",
}
_REPEATED: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})  # by its clients, as is every 5xx


# What parts of the node that know no dialect call it, and the field that decides it here.
_NAMES: Final[Mapping[str, str]] = {
    FIELDS[Option.TASK]: "model",
    diarization_rules.FIELDS["mode"]: "response_format",
}


class OpenAiDialect:
    """`{"error": {"message", "type", "param", "code"}}`, and headers that tell its clients whether to ask again."""

    def refusal(self, error: StenodError) -> Response:
        status = _status(error)
        headers = retry_after(error)
        if isinstance(error, errors.Unavailable):
            headers["retry-after-ms"] = str(round(error.retry_after_s * 1000))
        elif status in _REPEATED or _is_ours(status):
            headers["x-should-retry"] = "false"
        return JSONResponse(error_body(error), status, headers)


def error_body(error: StenodError) -> dict[str, Any]:
    message = error.message
    for ours, theirs in _NAMES.items():
        message = message.replace(ours, theirs)
    return {
        "error": {
            "message": message,
            "type": _kind(_status(error)),
            "param": "model" if isinstance(error, errors.ModelNotFound) else _param(error),
            "code": _CODES.get(type(error), error.metadata.get("reason", error.reason).lower()),
        }
    }


def _param(error: StenodError) -> str | None:
    field = getattr(error, "field", None)
    return _NAMES.get(field, field) if field else None


def _status(error: StenodError) -> HTTPStatus:
    of_failure = _OF_FAILURES.get(error.metadata.get("reason", ""))
    return of_failure or _STATUSES.get(type(error)) or http_status(error)


def _kind(status: HTTPStatus) -> str:
    if _is_ours(status):
        return "server_error"
    return "rate_limit_error" if status is HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"


def _is_ours(status: HTTPStatus) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR
