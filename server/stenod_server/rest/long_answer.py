"""Answers that take as long as a job: the caller is watched, and the connection kept from looking dead.

Proxies cut connections that are silent, most of them after 60 s; TCP keep-alive does not help, for it says nothing to
the proxy's other side.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

KEEP_ALIVE_S: Final = 15.0
# nginx would hold small pieces back until its buffer is full.
_UNBUFFERED: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_Result = TypeVar("_Result")


async def unless_gone(receive: Receive, work: Awaitable[_Result]) -> _Result:
    """Raises ClientDisconnect when the caller goes away first; then `work` has been cancelled.

    To be used once the request's body has been read.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def with_silences(
    pieces: AsyncIterator[_Result], silence_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[_Result | None, None]:
    """The pieces, and None each time that none has come for `silence_s`."""
    while True:
        following = asyncio.ensure_future(_next(pieces))
        try:
            while not (await asyncio.wait({following}, timeout=silence_s))[0]:
                yield None
            piece = following.result()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if piece is None:
            return
        yield piece


class LongAnswer(Response):
    """An answer that `answer` gives once the job has ended; `attending` is left when it has been sent.

    `filler` is what may stand before the body without changing it (a blank before JSON); it is sent after each silence.
    From then on the status is 200: an error that comes later breaks the connection off, and the client asks again. With
    no filler the connection stays silent.
    """

    def __init__(
        self,
        attending: AsyncExitStack,
        answer: Callable[[], Awaitable[Response]],
        *,
        filler: bytes = b"",
        silence_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(media_type="application/json", headers=_UNBUFFERED)
        del self.headers["content-length"]
        self._attending = attending
        self._answer = answer
        self._filler = filler
        self._silence_s = silence_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._attending:
            response, has_begun = await unless_gone(receive, self._waited_for(send))
            if has_begun:
                await send(_body(bytes(response.body)))
            else:
                await response(scope, receive, send)

    async def _waited_for(self, send: Send) -> tuple[Response, bool]:
        has_begun = False
        async with aclosing(with_silences(self._once(), self._silence_s)) as pieces:
            async for response in pieces:
                if response is not None:
                    return response, has_begun
                if self._filler:
                    if not has_begun:
                        await send(_start(self))
                    has_begun = True
                    await send(_body(self._filler, is_last=False))
        raise AssertionError("an answer gives a response")

    async def _once(self) -> AsyncIterator[Response]:
        yield await self._answer()


class EventStream(Response):
    """Server-sent events; a comment after each silence. `attending` is left when the last one has been sent."""

    def __init__(
        self, attending: AsyncExitStack, events: AsyncIterator[bytes], *, silence_s: float = KEEP_ALIVE_S
    ) -> None:
        super().__init__(media_type="text/event-stream", headers=_UNBUFFERED)
        del self.headers["content-length"]
        self._attending = attending
        self._events = events
        self._silence_s = silence_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        async with self._attending:
            await send(_start(self))
            await unless_gone(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        async with aclosing(with_silences(self._events, self._silence_s)) as pieces:
            async for piece in pieces:
                await send(_body(b": keep-alive\n\n" if piece is None else piece, is_last=False))
        await send(_body(b""))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(pieces: AsyncIterator[_Result]) -> _Result | None:
    return await anext(pieces, None)


def _start(response: Response) -> Message:
    return {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}


def _body(data: bytes, *, is_last: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": not is_last}
