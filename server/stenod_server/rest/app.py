"""The application: every dialect at one server, one OpenAPI document, and a call around each request."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from stenod_server.access.doorkeeper import Doorkeeper
from stenod_server.rest.assemblyai import assemblyai
from stenod_server.rest.call import CallMiddleware, refuse_malformed
from stenod_server.rest.documents import documents
from stenod_server.rest.guide import guide
from stenod_server.rest.openai import openai
from stenod_server.rest.probes import probes
from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics import speechmatics
from stenod_server.telemetry.metrics import Metrics

_DESCRIPTION = """Batch speech-to-text in the dialects of systems that people have clients for.
The API of stenod itself is gRPC (`stenod.v1.TranscriptionService`); jobs are the same, whichever way they came."""


def build_app(services: Services, door: Doorkeeper, metrics: Metrics, *, version: str) -> ASGIApp:
    """What an ASGI server runs."""
    app = guarded(_routers(services), door, metrics, version=version)
    if services.options.cors_origins:
        app = CORSMiddleware(app, allow_origins=services.options.cors_origins, allow_methods=["*"], allow_headers=["*"])
    return app


def guarded(routers: Sequence[APIRouter], door: Doorkeeper, metrics: Metrics, *, version: str) -> ASGIApp:
    """Routes with a call around each request, and their document."""
    routes = _Application(title="stenod", version=version, description=_DESCRIPTION, docs_url=None, redoc_url=None)
    routes.add_exception_handler(RequestValidationError, refuse_malformed)
    routers = [*routers, documents(routes.openapi)]
    for router in routers:
        routes.include_router(router)
    known = [route for router in routers for route in router.routes]
    return CallMiddleware(routes, routes=known, door=door, metrics=metrics)


class _Application(FastAPI):
    """Without the layers that answer errors in their own words, or limit bodies: what is raised goes up to the call."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)


def _routers(services: Services) -> Sequence[APIRouter]:
    return [assemblyai(services), guide(services), openai(services), probes(services), speechmatics(services)]
