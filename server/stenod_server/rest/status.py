"""What each error of the tree means in HTTP: one table for all dialects, who say it in words of their own."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from stenod_server import errors

_STATUSES: Final[Mapping[type[errors.StenodError], HTTPStatus]] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.LimitExceeded: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.PermissionDenied: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.JobExpired: HTTPStatus.GONE,
    errors.MediaGone: HTTPStatus.GONE,
    errors.JobNotFinished: HTTPStatus.NOT_FOUND,
    errors.JobFinished: HTTPStatus.NOT_FOUND,
    errors.JobRunning: HTTPStatus.LOCKED,
    errors.IdempotencyMismatch: HTTPStatus.CONFLICT,
    errors.JobDeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UploadStalled: HTTPStatus.REQUEST_TIMEOUT,
    errors.QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Broken: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# Limits of bytes, which HTTP has a status of its own for.
_OF_SIZE: Final = frozenset({"max_media_bytes", "max_inline_bytes", "guide_max_media_bytes", "max_body_bytes"})


def http_status(error: errors.StenodError) -> HTTPStatus:
    """That of the error's class, or of the nearest one above it."""
    if isinstance(error, errors.LimitExceeded) and error.limit in _OF_SIZE:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)


def retry_after(error: errors.StenodError) -> dict[str, str]:
    """The header that says when to come again; empty where coming again does not help. Whole seconds, as old clients
    read it.
    """
    if not isinstance(error, errors.Unavailable):
        return {}
    return {"Retry-After": str(max(1, round(error.retry_after_s)))}
