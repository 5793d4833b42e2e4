"""Work that whoever waits for it cannot leave behind."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """Its result. Whoever is cancelled meanwhile waits for it all the same: it could not be stopped, and would go on
    unseen; a thread with a file that is closed by then, and whose number may be another's. For what is bounded in time.
    """
    running = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        if not running.cancelled():
            running.exception()  # looked at, or it would be complained about
        raise cancellation
    return running.result()
