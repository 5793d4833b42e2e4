"""uvicorn's HTTP connection, with the limits that it does not have: how many there may be, and how long, and how long
in bytes, the head of a request may be on its way.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 30.0
MAX_HEAD_BYTES: Final = 64 * 1024


def limited(*, max_connections: int) -> type[asyncio.Protocol]:
    """The class of a server's connections; one too many is closed unheard, and so is whoever is too slow or too long
    with the head of a request.
    """

    class Connection(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head = _Head(self.loop, transport.abort)
            if len(self.connections) > max_connections:
                transport.abort()
                return
            self._head.begin()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head.end()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head.begin()

        def on_url(self, url: bytes) -> None:
            self._head.take(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._head.take(len(name) + len(value))
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._head.end()
            super().on_headers_complete()

    return Connection


class _Head:
    """The head of the request that is on its way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[], Any]) -> None:
        self._loop = loop
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self._size_bytes = 0

    def begin(self) -> None:
        self.end()
        self._timer = self._loop.call_later(HEAD_S, self._give_up)

    def take(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        if self._size_bytes > MAX_HEAD_BYTES:
            self._give_up()

    def end(self) -> None:
        self._size_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
