"""Around every request: who makes it and whether they may, request id, logs, metrics, audit, and errors in the words of
the dialect. A supervisor, so the one place of the dialects with a bare `except Exception`.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stenod_server.access import audit
from stenod_server.access.doorkeeper import Doorkeeper
from stenod_server.domain.access import Principal
from stenod_server.errors import InvalidField, StenodError, Unforeseen, UploadStalled
from stenod_server.rest.caller import credentials_of, set_caller
from stenod_server.rest.operation import Operation, operation_of
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tracing import TRACEPARENT, Tracer, received

MAX_REQUEST_ID_CHARACTERS: Final = 128
STALL_S: Final = 60.0
_CALL: Final = "stenod.call"
_log = structlog.get_logger()


class CallMiddleware:
    """Plain ASGI, because a place at the door is held until the last byte of the answer, streams included."""

    def __init__(
        self, app: ASGIApp, *, routes: Sequence[BaseRoute], door: Doorkeeper, metrics: Metrics, tracer: Tracer
    ) -> None:
        self._app = app
        self._routes = routes
        self._door = door
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"  # noqa: S101  the server is told to speak nothing else
        found = self._operation(scope)
        if found is None:
            await self._nowhere(scope)(scope, receive, send)
            return
        call = Call(found, scope, self._door, self._metrics)
        scope[_CALL] = call
        span = self._tracer.span(found.name, kind="server", parent=call.traceparent)
        with structlog.contextvars.bound_contextvars(request_id=call.request_id), span as told:
            told.note(status=await call.run(self._app, receive, send))

    def _operation(self, scope: Scope) -> Operation | None:
        """None also for a route that nobody said of who may call it."""
        for route in self._matching(scope, Match.FULL):
            return operation_of(route.endpoint)
        return None

    def _nowhere(self, scope: Scope) -> Response:
        near = list(self._matching(scope, Match.PARTIAL))
        if near:  # the first of them: `/transcribe/async` is not `/transcribe/{job_id}`
            allowed = {method for route in near if route.path == near[0].path for method in route.methods or ()}
            headers = {"Allow": ", ".join(sorted(allowed))}
            return JSONResponse({"detail": "Method Not Allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, headers)
        return JSONResponse({"detail": "Not Found"}, HTTPStatus.NOT_FOUND)

    def _matching(self, scope: Scope, match: Match) -> Iterator[Route]:
        return (route for route in self._routes if isinstance(route, Route) and route.matches(scope)[0] is match)


class Call:
    """One request: whether it is let in, what logs and metrics say of it, and what the caller gets when it fails."""

    def __init__(self, operation: Operation, scope: Scope, door: Doorkeeper, metrics: Metrics) -> None:
        self.operation = operation
        self._connection = HTTPConnection(scope)
        self._scope = scope
        self._door = door
        self._metrics = metrics
        self._principal: Principal | None = None
        self._is_admitted = operation.scope is None
        self._reason = ""
        self._status = 0
        self._ids: dict[str, str] = {}
        given = self._connection.headers.get("x-request-id", "")
        self.request_id = given[:MAX_REQUEST_ID_CHARACTERS] or uuid.uuid4().hex
        self.traceparent = received(self._connection.headers.get(TRACEPARENT, ""))

    def name_job(self, job_id: str) -> None:
        """The job that the call made or names, for the audit log."""
        self._ids = {"job_id": job_id}

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> int:
        """The status of the answer; 0 where there was none."""
        started_s = time.monotonic()
        answer = _Answer(self, send)
        has_place = False
        try:
            self._door.enter()
            has_place = True
            await self._admit()
            await app(self._scope, _Body(receive), answer)
        except ClientDisconnect:
            self._reason = "DISCONNECTED"
        except StenodError as error:
            await self._refuse(error, receive, answer)
        except Exception as error:  # noqa: BLE001  whatever broke, the caller gets an answer and the log the reason
            await self._refuse(self._unforeseen(error), receive, answer)
        finally:
            if has_place:
                self._door.leave()
            self._finish(answer.status, time.monotonic() - started_s)
        return answer.status

    async def _admit(self) -> None:
        """Raises what the door raises; then nothing of the body has been read."""
        if self.operation.scope is None:
            return
        self._principal = await self._door.identify(credentials_of(self._connection), self._address())
        self._door.permit(self._principal, self.operation.name, self.operation.scope)
        self._is_admitted = True
        set_caller(self._connection, self._principal)

    def _address(self) -> str:
        return self._connection.client.host if self._connection.client else ""

    async def _refuse(self, error: StenodError, receive: Receive, answer: "_Answer") -> None:
        self._reason = error.reason
        self._metrics.errors.labels(error.reason).inc()
        if not self._is_admitted:
            self._metrics.calls_refused.labels(error.reason).inc()
        if not answer.status:  # else it breaks off in the middle, and the client sees that it did
            await self.operation.dialect.refusal(error)(self._scope, receive, answer)

    def _unforeseen(self, error: Exception) -> StenodError:
        error_id = uuid.uuid4().hex[:12]
        _log.error("call_failed", method=self.operation.name, error_id=error_id, exc_info=error)
        return Unforeseen(error_id)

    def _finish(self, status: int, elapsed_s: float) -> None:
        name, code = self.operation.name, str(status or "CANCELLED")
        self._metrics.rpc.labels(name, code).observe(elapsed_s)
        _log.debug("call_ended", method=name, code=code, elapsed_ms=round(elapsed_s * 1000, 1))
        if self.operation.changes or not self._is_admitted:
            principal = self._principal
            audit.record(
                method=name,
                outcome=f"{code} {self._reason}".strip(),
                peer=self._address(),
                tenant=principal.tenant if principal else "",
                subject=principal.subject if principal else "",
                **self._ids,
            )


class _Body:
    """Hands on what arrives of a request. A sender that falls silent in the middle is not waited for any longer: it
    holds a place at the door.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def __call__(self) -> Message:
        """Raises UploadStalled."""
        try:
            async with asyncio.timeout(None if self._is_over else STALL_S) as patience:
                message = await self._receive()
        except TimeoutError:
            if not patience.expired():
                raise
            raise UploadStalled(1, STALL_S) from None
        self._is_over = not message.get("more_body", False)
        return message


class _Answer:
    """Sends, remembers the status, and adds what every answer carries."""

    def __init__(self, call: Call, send: Send) -> None:
        self.status = 0
        self._call = call
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name in ("X-Request-Id", "Request-Id"):  # the one that most know, and that of the Speechmatics dialect
                headers[name] = self._call.request_id
        await self._send(message)


def call_of(connection: HTTPConnection) -> Call:
    """The call that is being answered."""
    call: Call = connection.scope[_CALL]
    return call


async def refuse_malformed(request: Request, error: Exception) -> Response:
    """What FastAPI found wrong with the parameters of a request, as an error of our tree; the call says it."""
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101  what it is registered for
    first = error.errors()[0]
    raise InvalidField(".".join(map(str, first["loc"][1:])) or "body", str(first["msg"])) from error
