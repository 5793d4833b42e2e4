"""What each error of the tree means on the wire: one table, and one function that makes a google.rpc.Status of it."""

from collections.abc import Iterator, Mapping
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from stenod_server import errors

ERROR_DOMAIN: Final = "stenod.dev"
_MAX_TEXT_BYTES: Final = 1000

_CODES: Final[Mapping[type[errors.StenodError], int]] = {
    errors.InvalidRequest: code_pb2.INVALID_ARGUMENT,
    errors.InvalidField: code_pb2.INVALID_ARGUMENT,
    errors.OptionNotServed: code_pb2.INVALID_ARGUMENT,
    errors.LimitExceeded: code_pb2.INVALID_ARGUMENT,
    errors.UnsupportedFeature: code_pb2.UNIMPLEMENTED,
    errors.UnsupportedMedia: code_pb2.INVALID_ARGUMENT,
    errors.NoAudio: code_pb2.INVALID_ARGUMENT,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.FetchRefused: code_pb2.INVALID_ARGUMENT,
    errors.MediaNotFound: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.JobNotFound: code_pb2.NOT_FOUND,
    errors.UploadNotFound: code_pb2.NOT_FOUND,
    errors.ModelNotFound: code_pb2.NOT_FOUND,
    errors.JobExpired: code_pb2.NOT_FOUND,
    errors.MediaGone: code_pb2.NOT_FOUND,
    errors.WrongState: code_pb2.FAILED_PRECONDITION,
    errors.JobNotFinished: code_pb2.FAILED_PRECONDITION,
    errors.JobFinished: code_pb2.FAILED_PRECONDITION,
    errors.JobRunning: code_pb2.FAILED_PRECONDITION,
    errors.UploadOffsetMismatch: code_pb2.FAILED_PRECONDITION,
    errors.UploadIncomplete: code_pb2.FAILED_PRECONDITION,
    errors.IdempotencyMismatch: code_pb2.ALREADY_EXISTS,
    errors.EnginesUnsatisfiable: code_pb2.INVALID_ARGUMENT,
    errors.JobDeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.LanguageUncertain: code_pb2.INVALID_ARGUMENT,
    errors.PoisonJob: code_pb2.INVALID_ARGUMENT,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.EnginesExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.QueueFull: code_pb2.RESOURCE_EXHAUSTED,
    errors.QuotaExceeded: code_pb2.RESOURCE_EXHAUSTED,
    errors.StorageFull: code_pb2.RESOURCE_EXHAUSTED,
    errors.FetchFailed: code_pb2.UNAVAILABLE,
    errors.TooManyCalls: code_pb2.UNAVAILABLE,
    errors.EngineUnavailable: code_pb2.UNAVAILABLE,
    errors.WindowTimeout: code_pb2.UNAVAILABLE,
    errors.Draining: code_pb2.UNAVAILABLE,
    errors.StoreUnavailable: code_pb2.UNAVAILABLE,
    errors.UploadStalled: code_pb2.UNAVAILABLE,
    errors.DecoderDied: code_pb2.UNAVAILABLE,
    errors.Broken: code_pb2.INTERNAL,
    errors.Unforeseen: code_pb2.INTERNAL,
    errors.ForbiddenTransition: code_pb2.INTERNAL,
    errors.ContractViolation: code_pb2.INTERNAL,
    errors.TritonFailed: code_pb2.INTERNAL,
}


def every_error(root: type[errors.StenodError] = errors.StenodError) -> Iterator[type[errors.StenodError]]:
    """The tree below `root`, without it."""
    for child in root.__subclasses__():
        yield child
        yield from every_error(child)


_CODE_OF_REASON: Final[Mapping[str, int]] = {kind.reason: code for kind, code in reversed(list(_CODES.items()))}


def to_status(error: errors.StenodError) -> status_pb2.Status:
    """The google.rpc.Status of an error: code, message, ErrorInfo, and what helps the caller to mend or to wait."""
    status = status_pb2.Status(code=_CODES[type(error)], message=_brief(error.message))
    for detail in _details(error):
        status.details.append(_packed(detail))
    return status


def failure_status(reason: str, message: str) -> status_pb2.Status:
    """The status of a job that failed, from the reason and message stored with it."""
    status = status_pb2.Status(code=_CODE_OF_REASON.get(reason, code_pb2.INTERNAL), message=_brief(message))
    status.details.append(_packed(error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN)))
    return status


def grpc_code(status: status_pb2.Status) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == status.code)


def _details(error: errors.StenodError) -> Iterator[Message]:
    message = _brief(error.message)
    metadata = {key: _brief(value) for key, value in error.metadata.items()}
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)
    match error:
        case (
            errors.InvalidField(field=field)
            | errors.LimitExceeded(field=field)
            | errors.UnsupportedFeature(field=field)
            | errors.FetchRefused(field=field)
        ):
            violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
            yield error_details_pb2.BadRequest(field_violations=[violation])
        case errors.EnginesUnsatisfiable():
            violation = error_details_pb2.BadRequest.FieldViolation(
                field="config.scheduling.parallel_engines", description=message
            )
            yield error_details_pb2.BadRequest(field_violations=[violation])
        case errors.EnginesExhausted():
            quota = error_details_pb2.QuotaFailure.Violation(subject="engines", description=message)
            yield error_details_pb2.QuotaFailure(violations=[quota])
        case errors.QuotaExceeded(quota=quota_name):
            quota = error_details_pb2.QuotaFailure.Violation(subject=quota_name, description=message)
            yield error_details_pb2.QuotaFailure(violations=[quota])
        case errors.NotFound():
            yield error_details_pb2.ResourceInfo(
                resource_type=error.kind, resource_name=_brief(error.name), description=message
            )
    if isinstance(error, errors.Unavailable):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _brief(text: str) -> str:
    """A caller's own words may be in it, and all of an error travels in headers: over 16 KiB the answer is lost."""
    raw = text.encode(errors="replace")
    return text if len(raw) <= _MAX_TEXT_BYTES else raw[:_MAX_TEXT_BYTES].decode(errors="ignore") + "…"


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
