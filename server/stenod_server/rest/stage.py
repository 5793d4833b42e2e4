"""What stands behind the HTTP port over the life of a node: nothing yet, the dialects, nothing any more.

The port is open from the first moment, because loading models may take minutes and probes ask meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LIVE: Final = (HTTPStatus.OK, {"live": True})
_NOT_HERE: Final[Mapping[str, tuple[HTTPStatus, dict[str, Any]]]] = {
    "/live": _LIVE,
    "/ready": (HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "engines_used": 0}),
    "/health": (HTTPStatus.NOT_IMPLEMENTED, {"healthy": False}),
}
_OTHERWISE: Final = (HTTPStatus.SERVICE_UNAVAILABLE, {"detail": "the node is starting, or going away"})


class Stage:
    """An ASGI application that another one enters and leaves."""

    def __init__(self) -> None:
        self._app: ASGIApp = _nobody
        self._calls = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._calls += 1
        self._quiet.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._calls -= 1
            if not self._calls:
                self._quiet.set()

    def enter(self, app: ASGIApp) -> None:
        self._app = app

    async def leave(self, grace_s: float) -> None:
        """From now on nobody answers; whoever is being answered has `grace_s` to hear the end."""
        self._app = _nobody
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._quiet.wait()


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    status, body = _NOT_HERE.get(scope["path"], _OTHERWISE)
    await JSONResponse(body, status, headers={"Retry-After": "1"})(scope, receive, send)
