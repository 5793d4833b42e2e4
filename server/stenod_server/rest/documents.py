"""The OpenAPI document of all dialects, and the page to read and try it; both need nothing from the internet."""

import importlib.resources
import mimetypes
from collections.abc import Callable
from typing import Any, Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import JSONResponse, Response

from stenod_server.errors import NotFound
from stenod_server.rest.operation import operation
from stenod_server.rest.probes import ProbeDialect

OPENAPI_PATH: Final = "/openapi.json"
DOCS_PATH: Final = "/docs"
_SCRIPT: Final = "swagger-ui-bundle.js"
_STYLE: Final = "swagger-ui.css"
_ICON: Final = "favicon.png"


def documents(openapi: Callable[[], dict[str, Any]]) -> APIRouter:
    """Open to everybody: it says what can be asked, and nothing of what there is."""
    router, dialect = APIRouter(include_in_schema=False), ProbeDialect()
    files = importlib.resources.files(fastapi_offline) / "static"

    @router.get(OPENAPI_PATH)
    @operation("GetOpenApi", dialect, None)
    async def document() -> Response:
        return JSONResponse(openapi())

    @router.get(DOCS_PATH)
    @operation("GetDocs", dialect, None)
    async def page() -> Response:
        return get_swagger_ui_html(
            openapi_url=OPENAPI_PATH,
            title="stenod",
            swagger_js_url=f"{DOCS_PATH}/{_SCRIPT}",
            swagger_css_url=f"{DOCS_PATH}/{_STYLE}",
            swagger_favicon_url=f"{DOCS_PATH}/{_ICON}",
        )

    @router.get(DOCS_PATH + "/{name}")
    @operation("GetDocs", dialect, None)
    async def part(name: str) -> Response:
        if name not in {_SCRIPT, _STYLE, _ICON}:
            raise NotFound(name)
        return Response((files / name).read_bytes(), media_type=mimetypes.guess_type(name)[0])

    return router
