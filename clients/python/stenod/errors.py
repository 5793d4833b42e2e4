"""Every error of the client, as one tree.

StenodError
  InvalidRequest      the request itself is wrong: a field, a limit, the media
    FeatureNotBuilt   it asks for something this server does not have
  NotAllowed          the caller is not known, or may not do this
  NotFound            no such job, upload or model; or the transcript expired
  WrongState          the job or upload is not in a state that allows the call
    JobFailed         the job ended without a transcript (`job` is that job)
  IdempotencyMismatch the `request_id` was used for something else
  Busy                no room now: a full queue, no free engine (`retry_after_s`)
  Unavailable         the server does not answer, or is starting or stopping; the only one retried by itself
  DeadlineExceeded    it took longer than the caller allowed (a TimeoutError too)
  ServerFault         a fault of the server (`metadata["error_id"]` is to be found in its log)

`reason` is stable and listed in `stenod/v1/error_reason.proto` (without the prefix `ERROR_REASON_`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from stenod.results import Job

_DETAILS_KEY: Final = "grpc-status-details-bin"
_Detail = TypeVar("_Detail", bound=Message)


class StenodError(Exception):
    """The root. `code` is the status of gRPC; None where the client itself found the fault."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata: Mapping[str, str] = metadata or {}
        self.retry_after_s = retry_after_s


class InvalidRequest(StenodError):
    """The same request never succeeds."""


class FeatureNotBuilt(InvalidRequest):
    """`metadata["field"]` names the field that asks for it."""


class NotAllowed(StenodError):
    """Not authenticated, or without permission."""


class NotFound(StenodError):
    """No such thing, or it is another tenant's."""


class WrongState(StenodError):
    """`reason` says more: JOB_NOT_FINISHED, JOB_RUNNING, UPLOAD_OFFSET_MISMATCH, …."""


class JobFailed(WrongState):
    """The job FAILED, or was CANCELLED, or EXPIRED."""

    def __init__(self, job: "Job") -> None:
        why = job.error
        super().__init__(
            why.message if why else f"job {job.job_id} was {job.state.lower()}",
            code=why.code if why else None,
            reason=why.reason if why else f"JOB_{job.state}",
            metadata=why.metadata if why else None,
        )
        self.job = job


class IdempotencyMismatch(StenodError):
    """The `request_id` belongs to another recording or configuration."""


class Busy(StenodError):
    """Try again later; `retry_after_s` is the server's advice."""


class Unavailable(StenodError):
    """Passing. The client retried already, as its RetryPolicy says."""


class DeadlineExceeded(StenodError, TimeoutError):
    """The caller's own limit; a job that is waited for goes on."""


class ServerFault(StenodError):
    """Not the caller's."""


_KINDS: Final[Mapping[grpc.StatusCode, type[StenodError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: FeatureNotBuilt,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: WrongState,
    grpc.StatusCode.ABORTED: WrongState,
    grpc.StatusCode.ALREADY_EXISTS: IdempotencyMismatch,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Busy,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,  # we never cancel what we await: the server stopped under the call
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


@contextmanager
def rpc_errors() -> Iterator[None]:
    """Turns the errors of gRPC into those of this tree; the only place that does."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _from_rpc(error) from error


def from_status(status: status_pb2.Status) -> StenodError:
    """The error that a google.rpc.Status stands for (that of a failed job, for example)."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = _detail(status, error_details_pb2.ErrorInfo)
    retry = _detail(status, error_details_pb2.RetryInfo)
    return _KINDS.get(code, ServerFault)(
        status.message,
        code=code,
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else None,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _from_rpc(error: grpc.aio.AioRpcError) -> StenodError:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(status_pb2.Status.FromString(value))
            except DecodeError:  # a proxy's own trailer; the plain status still tells the story
                break
    return from_status(status_pb2.Status(code=error.code().value[0], message=error.details() or error.code().name))


def _detail(status: status_pb2.Status, kind: type[_Detail]) -> _Detail | None:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None
