"""One interceptor around every call: request id, tenant, logs, metrics, and errors → google.rpc.Status."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import structlog
from google.rpc import status_pb2

from stenod_server.errors import StenodError
from stenod_server.rpc.status import grpc_code, internal_status, to_status
from stenod_server.telemetry.metrics import Metrics

REQUEST_ID_KEY: Final = "x-request-id"
_STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic for the type checker alone
_log = structlog.get_logger()


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each handler in `_Call`; a supervisor, so the one place of the API with a bare `except Exception`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/stenod."):
            return handler
        return _wrapped(handler, method.rsplit("/", 1)[-1], self._metrics)


def _wrapped(handler: Any, method: str, metrics: Metrics) -> Handler:
    """The same handler with its behaviour inside a `_Call`."""
    if handler.response_streaming:
        inner = handler.stream_stream or handler.unary_stream
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )

        async def stream(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[object]:
            async with _Call(method, context, metrics):
                async for response in inner(request, context):
                    yield response

        return make(stream, handler.request_deserializer, handler.response_serializer)
    inner = handler.stream_unary or handler.unary_unary
    make = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler

    async def unary(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> object:
        async with _Call(method, context, metrics):
            return await inner(request, context)

    return make(unary, handler.request_deserializer, handler.response_serializer)


class _Call:
    """One call: what is said of it in logs and metrics, and what the caller gets when it fails."""

    def __init__(self, method: str, context: grpc.aio.ServicerContext[Any, Any], metrics: Metrics) -> None:
        self._method = method
        self._context = context
        self._metrics = metrics
        self._started_s = 0.0
        self._request_id = ""

    async def __aenter__(self) -> None:
        self._started_s = time.monotonic()
        given = dict(self._context.invocation_metadata() or ()).get(REQUEST_ID_KEY, "")
        self._request_id = str(given)[:128] or uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=self._request_id)
        await self._context.send_initial_metadata(((REQUEST_ID_KEY, self._request_id),))

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
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
            structlog.contextvars.unbind_contextvars("request_id")

    def _unforeseen(self, error: BaseException) -> status_pb2.Status:
        error_id = uuid.uuid4().hex[:12]
        _log.error("call_failed", method=self._method, error_id=error_id, exc_info=error)
        return internal_status(error_id)

    async def _abort(self, status: status_pb2.Status, reason: str) -> None:
        code = grpc_code(status)
        self._metrics.errors.labels(reason).inc()
        self._finish(code.name)
        details = ((_STATUS_DETAILS_KEY, status.SerializeToString()),)
        await self._context.abort(code, status.message, trailing_metadata=details)

    def _finish(self, code: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        self._metrics.rpc.labels(self._method, code).observe(elapsed_s)
        _log.debug("call_ended", method=self._method, code=code, elapsed_ms=round(elapsed_s * 1000, 1))
