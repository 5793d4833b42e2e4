"""The bytes of an answer, resumed where the connection breaks off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import httpx

from stenod_server.errors import FetchFailed
from stenod_server.fetch import answers
from stenod_server.fetch.faults import translated

MAX_RESUMES: Final = 5

# Asks for the bytes from an offset on, if what the validator stands for has not changed.
AskAgain = Callable[[int, str], Awaitable[httpx.Response]]


class ResumableBody:
    """Reads `response` to its end, and goes on with `ask_again` after a break, if the origin can do so for sure."""

    def __init__(self, response: httpx.Response, ask_again: AskAgain, *, address: str, pause_s: float) -> None:
        self._response = response
        self._ask_again = ask_again
        self._address = address
        self._pause_s = pause_s
        self._offset_bytes = 0
        self._total_bytes = answers.length_bytes(response.headers)
        self._validator = answers.validator(response.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises FetchFailed when it cannot be resumed, or was too often."""
        for resumes_left in reversed(range(MAX_RESUMES + 1)):
            try:
                async for chunk in self._read():
                    self._offset_bytes += len(chunk)
                    yield chunk
                self._refuse_short()
            except FetchFailed:
                if not (resumes_left and self._validator):
                    raise
                await self.close()
                await asyncio.sleep(self._pause_s)
            else:
                return

    async def close(self) -> None:
        with translated(self._address):
            await self._response.aclose()

    async def _read(self) -> AsyncIterator[bytes]:
        if self._response.is_closed:
            self._response = await self._continued()
        with translated(self._address):
            async for chunk in self._response.aiter_raw():
                yield chunk

    async def _continued(self) -> httpx.Response:
        response = await self._ask_again(self._offset_bytes, self._validator)
        if answers.continues_at(response, self._offset_bytes, self._total_bytes):
            return response
        await response.aclose()
        if response.status_code in answers.PASSING:
            raise answers.refusal(response, self._address)
        self._validator = ""
        raise FetchFailed(f"{self._address} broke off and cannot be resumed")

    def _refuse_short(self) -> None:
        if self._total_bytes and self._offset_bytes != self._total_bytes:
            raise FetchFailed(f"{self._address} gave {self._offset_bytes} of {self._total_bytes} bytes")
