"""`/live` and `/ready`: probes of Kubernetes, and of the Speechmatics batch worker, whose answers these are.

Open to everybody: probes have no credentials, and are told nothing but numbers of engines.
"""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from stenod_server.errors import StenodError
from stenod_server.rest.operation import operation
from stenod_server.rest.services import Services
from stenod_server.rest.status import http_status


class ProbeDialect:
    """A probe that fails is not well, whatever the reason."""

    def refusal(self, error: StenodError) -> Response:
        return JSONResponse({"detail": error.message}, http_status(error))


def probes(services: Services) -> APIRouter:
    router, dialect = APIRouter(tags=["Probes"]), ProbeDialect()

    @router.get("/live", summary="Whether work in flight progresses", responses={503: {"description": "It does not"}})
    @operation("Live", dialect, None)
    async def live() -> Response:
        is_alive = services.health().alive
        return JSONResponse({"live": is_alive}, _status(is_well=is_alive))

    @router.get("/ready", summary="Whether an engine is free", responses={503: {"description": "None is"}})
    @operation("Ready", dialect, None)
    async def ready() -> Response:
        health, capacity = services.health(), await services.scheduler.capacity()
        is_ready = health.ready and health.accepting and capacity.unused_engines > 0
        used = capacity.max_engines - capacity.unused_engines
        return JSONResponse({"ready": is_ready, "engines_used": used}, _status(is_well=is_ready))

    return router


def _status(*, is_well: bool) -> HTTPStatus:
    return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
