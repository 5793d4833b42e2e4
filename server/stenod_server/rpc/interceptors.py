"""One interceptor around every call: who makes it and whether they may, request id, logs, metrics, audit, and errors →
google.rpc.Status.
"""

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from stenod_server.access import audit
from stenod_server.access.doorkeeper import Doorkeeper
from stenod_server.domain.access import Principal, Scope
from stenod_server.errors import InvalidRequest, PermissionDenied, StenodError, Unforeseen
from stenod_server.rpc.caller import address_of, credentials_of, set_caller
from stenod_server.rpc.permissions import CHANGING, SCOPES
from stenod_server.rpc.status import grpc_code, to_status
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tracing import NO_TRACER, TRACEPARENT, Tracer, received

REQUEST_ID_KEY: Final = "x-request-id"
_STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic for the type checker alone
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_log = structlog.get_logger()


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each handler in `_Call`; a supervisor, so the one place of the API with a bare `except Exception`."""

    def __init__(self, door: Doorkeeper, metrics: Metrics, tracer: Tracer = NO_TRACER) -> None:
        self._door = door
        self._metrics = metrics
        self._tracer = tracer

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None:
            return None
        is_listed, scope = path in SCOPES, SCOPES.get(path)
        if is_listed and scope is None:
            return handler
        method = _Method(path.rsplit("/", 1)[-1], scope)
        return _wrapped(handler, lambda context: _Call(method, context, self._door, self._metrics, self._tracer))


@dataclass(frozen=True, slots=True)
class _Method:
    """`scope` None: the table does not have it."""

    name: str
    scope: Scope | None


def _wrapped(handler: Any, open_call: "Callable[[Context], _Call]") -> Handler:
    """The same handler with its behaviour inside a `_Call`.

    To gRPC each one takes its requests as a stream, because then it is called before any is read: megabytes of somebody
    who may not send them are never taken in.
    """
    inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    parse = _parser(handler.request_deserializer)

    if not handler.response_streaming:

        async def unary(requests: AsyncIterator[object], context: Context) -> object:
            async with open_call(context) as call:
                await call.admit()
                call.request = requests if handler.request_streaming else await _only(requests)
                call.response = await inner(call.request, context)
                return call.response

        return grpc.stream_unary_rpc_method_handler(unary, parse, handler.response_serializer)

    async def stream(requests: AsyncIterator[object], context: Context) -> AsyncIterator[object]:
        async with open_call(context) as call:
            await call.admit()
            call.request = requests if handler.request_streaming else await _only(requests)
            responses = inner(call.request, context)
            if inspect.isawaitable(responses):  # it writes by itself, as the Watch of grpc_health does
                await responses
                return
            async for response in responses:
                yield response

    return grpc.stream_stream_rpc_method_handler(stream, parse, handler.response_serializer)


def _parser(deserialize: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def parse(raw: bytes) -> object:
        try:
            return deserialize(raw)
        except DecodeError as error:
            raise InvalidRequest("the bytes of the request are no message of this call") from error

    return parse


async def _only(requests: AsyncIterator[object]) -> object:
    request = await anext(aiter(requests), None)
    if request is None:
        raise InvalidRequest("the call came without a request")
    return request


class _Call:
    """One call: whether it is let in, what logs and metrics say of it, and what the caller gets when it fails."""

    def __init__(self, method: _Method, context: Context, door: Doorkeeper, metrics: Metrics, tracer: Tracer) -> None:
        self.request: object = None
        self.response: object = None
        self._method = method
        self._context = context
        self._door = door
        self._metrics = metrics
        self._given = dict(context.invocation_metadata() or ())
        self._request_id = str(self._given.get(REQUEST_ID_KEY, ""))[:128] or uuid.uuid4().hex
        parent = received(str(self._given.get(TRACEPARENT, "")))
        self._span = tracer.span(method.name, kind="server", parent=parent)
        self._started_s = 0.0
        self._has_place = False
        self._is_admitted = False
        self._principal: Principal | None = None

    async def __aenter__(self) -> Self:
        self._started_s = time.monotonic()
        self._span.__enter__()
        structlog.contextvars.bind_contextvars(request_id=self._request_id)
        # With the status, which is sent anyway: ahead of the response it would cost a write and a wake-up of its own.
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self._request_id),))
        return self

    async def admit(self) -> None:
        """Raises what the door raises; then nothing of the request has been read."""
        self._door.enter()
        self._has_place = True
        self._principal = await self._door.identify(credentials_of(self._context), address_of(self._context.peer()))
        if self._method.scope is None:
            raise PermissionDenied(self._method.name, "that nobody has")
        self._door.permit(self._principal, self._method.name, self._method.scope)
        self._is_admitted = True
        set_caller(self._principal)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._has_place:
            self._door.leave()
        try:
            if error is None:
                self._finish("OK")
            elif isinstance(error, asyncio.CancelledError | GeneratorExit):
                self._finish("CANCELLED")
            elif isinstance(error, StenodError):
                await self._abort(to_status(error), error.reason)
            elif not isinstance(error, grpc.aio.AbortError):
                await self._abort(self._unforeseen(error), "INTERNAL")
        finally:
            self._span.__exit__(kind, error, traceback)
            structlog.contextvars.unbind_contextvars("request_id")

    def _unforeseen(self, error: BaseException) -> status_pb2.Status:
        error_id = uuid.uuid4().hex[:12]
        _log.error("call_failed", method=self._method.name, error_id=error_id, exc_info=error)
        return to_status(Unforeseen(error_id))

    async def _abort(self, status: status_pb2.Status, reason: str) -> None:
        code = grpc_code(status)
        self._metrics.errors.labels(reason).inc()
        if not self._is_admitted:
            self._metrics.calls_refused.labels(reason).inc()
        self._finish(code.name, reason)
        details = ((_STATUS_DETAILS_KEY, status.SerializeToString()), (REQUEST_ID_KEY, self._request_id))
        await self._context.abort(code, status.message, trailing_metadata=details)

    def _finish(self, code: str, reason: str = "") -> None:
        elapsed_s = time.monotonic() - self._started_s
        self._metrics.rpc.labels(self._method.name, code).observe(elapsed_s)
        _log.debug("call_ended", method=self._method.name, code=code, elapsed_ms=round(elapsed_s * 1000, 1))
        if self._method.name in CHANGING or not self._is_admitted:
            self._audit(f"{code} {reason}".strip())

    def _audit(self, outcome: str) -> None:
        principal = self._principal
        audit.record(
            method=self._method.name,
            outcome=outcome,
            peer=self._context.peer(),
            tenant=principal.tenant if principal else "",
            subject=principal.subject if principal else "",
            **audit.ids_of(self.request) | audit.ids_of(self.response),
        )
