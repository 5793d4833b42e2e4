"""The application: every dialect at one server, one OpenAPI document, and a call around each request."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from stenod_server.access.doorkeeper import Doorkeeper
from stenod_server.rest.assemblyai import assemblyai
from stenod_server.rest.call import CallMiddleware, refuse_malformed
from stenod_server.rest.documents import documents
from stenod_server.rest.events import events
from stenod_server.rest.guide import guide
from stenod_server.rest.openai import openai
from stenod_server.rest.operation import operation_of
from stenod_server.rest.probes import probes
from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics import speechmatics
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tracing import NO_TRACER, Tracer

_DESCRIPTION = """Batch speech-to-text in the dialects of systems that people have clients for.
The API of stenod itself is gRPC (`stenod.v1.TranscriptionService`); jobs are the same, whichever way they came."""

_KEY: Final = "key"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, or a token of the issuer that the node trusts. A node without keys asks for none.",
}

# FastAPI's answer to wrong parameters, which it documents wherever there are any; here they are InvalidField.
_NEVER_SAID: Final = "Validation Error"


def build_app(
    services: Services, door: Doorkeeper, metrics: Metrics, *, version: str, tracer: Tracer = NO_TRACER
) -> ASGIApp:
    """What an ASGI server runs."""
    app = guarded(_routers(services), door, metrics, version=version, tracer=tracer)
    if services.options.cors_origins:
        app = CORSMiddleware(app, allow_origins=services.options.cors_origins, allow_methods=["*"], allow_headers=["*"])
    return app


def guarded(
    routers: Sequence[APIRouter], door: Doorkeeper, metrics: Metrics, *, version: str, tracer: Tracer = NO_TRACER
) -> ASGIApp:
    """Routes with a call around each request, and their document."""
    routes = _Application(
        title="stenod",
        version=version,
        description=_DESCRIPTION,
        openapi_url=None,
        generate_unique_id_function=_operation_id,
    )
    routes.add_exception_handler(RequestValidationError, refuse_malformed)
    routers = [*routers, documents(routes.openapi)]
    known = [route for router in routers for route in router.routes]
    for route in known:
        _say_what_to_show(route)
    for router in routers:
        routes.include_router(router)
    return CallMiddleware(routes, routes=known, door=door, metrics=metrics, tracer=tracer)


class _Application(FastAPI):
    """Without the layers that answer errors in their own words, or limit bodies: what is raised goes up to the call."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = {_KEY: _BEARER}
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            if operation["responses"].get("422", {}).get("description") == _NEVER_SAID:
                del operation["responses"]["422"]
        return document


def _operation_id(route: APIRoute) -> str:
    """What logs and metrics call it."""
    found = operation_of(route.endpoint)
    return found.name if found else route.name


def _say_what_to_show(route: BaseRoute) -> None:
    """In the document; FastAPI puts there only what it checks itself."""
    found = operation_of(route.endpoint) if isinstance(route, APIRoute) else None
    if isinstance(route, APIRoute) and found and found.scope:
        route.openapi_extra = {**(route.openapi_extra or {}), "security": [{_KEY: []}]}


def _routers(services: Services) -> Sequence[APIRouter]:
    return [
        assemblyai(services),
        events(services),
        guide(services),
        openai(services),
        probes(services),
        speechmatics(services),
    ]
