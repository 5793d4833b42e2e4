"""Waiting for a state of the world in tests: never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

TIMEOUT_S = 20.0


async def eventually(holds: Callable[[], bool], *, timeout_s: float = TIMEOUT_S) -> None:
    """Let the loop run until `holds`; fails after `timeout_s`, which only a broken test reaches."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110  the state has no event: that is what this is for
            await asyncio.sleep(0.001)


async def eventually_so(holds: Callable[[], Awaitable[bool]], *, timeout_s: float = TIMEOUT_S) -> None:
    """As `eventually`, for what can only be asked over a wire."""
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110  as above
            await asyncio.sleep(0.01)


async def settle(turns: int = 20) -> None:
    """Let every task that can run do so: for asserting that something did *not* happen."""
    for _ in range(turns):
        await asyncio.sleep(0)
