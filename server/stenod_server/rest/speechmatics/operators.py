"""What operators ask: how busy the node is. The worker has no account of usage, and neither has this."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from stenod_server.domain.access import Scope
from stenod_server.errors import UnsupportedFeature
from stenod_server.rest.caller import caller
from stenod_server.rest.operation import operation
from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics.answers import Engines, refusals
from stenod_server.rest.speechmatics.dialect import ErrorName, Saying, SpeechmaticsDialect

_USAGE_DIALECT: Final = SpeechmaticsDialect(
    {UnsupportedFeature: Saying(ErrorName.NOT_IMPLEMENTED, HTTPStatus.NOT_IMPLEMENTED)}
)


def add_operators(router: APIRouter, services: Services) -> None:
    dialect = SpeechmaticsDialect()

    @router.get("/jobs", summary="The node's engines, and who holds them", response_model=Engines, responses=refusals())
    @operation("SpeechmaticsCapacity", dialect, Scope.READ)
    async def engines(request: Request) -> Response:
        principal, capacity = caller(request), await services.scheduler.capacity()
        seen = capacity if principal.may(Scope.ADMIN) else capacity.seen_by(principal.tenant)
        active = [{"job_id": job.job_id, "parallel_engines": job.reserved_engines} for job in seen.active_jobs]
        return JSONResponse(
            {"active_jobs": active, "max_engines": seen.max_engines, "unused_engines": seen.unused_engines}
        )

    @router.get("/v2/usage", summary="Not implemented", responses=refusals(501), response_class=Response)
    @operation("SpeechmaticsUsage", _USAGE_DIALECT, Scope.READ)
    async def usage() -> Response:
        raise UnsupportedFeature("/v2/usage")
