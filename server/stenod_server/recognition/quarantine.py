"""Who may be at the recogniser together, once a window has been there while it died."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

# One by one would be surest and, with hundreds of windows in flight when a recogniser dies, slow; all of them together
# would tell nothing. What another death leaves of a group is looked at one by one.
_GROUP: Final = 8


class Quarantine:
    """A window that saw a death is a suspect. Suspects come few at a time, so that hardly any shares the blame for the
    next death; one that saw two comes alone, without any other window of this process: those that follow are its own
    doing, or chance.
    """

    def __init__(self) -> None:
        self._suspects = asyncio.Semaphore(_GROUP)
        self._accused = asyncio.Lock()
        self._inside = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._is_open = asyncio.Event()
        self._is_open.set()

    @asynccontextmanager
    async def admit(self, deaths: int) -> AsyncIterator[None]:
        """Hold this while the window is at the recogniser. Waits for its turn; the wait can be cancelled."""
        if deaths == 0:
            async with self._beside_others():
                yield
        elif deaths == 1:
            async with self._suspects, self._beside_others():
                yield
        else:
            async with self._accused, self._alone():
                yield

    @asynccontextmanager
    async def _beside_others(self) -> AsyncIterator[None]:
        while not self._is_open.is_set():  # it may have been closed again before this task got its turn
            await self._is_open.wait()
        self._inside += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._is_empty.set()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        self._is_open.clear()
        try:
            await self._is_empty.wait()
            yield
        finally:
            self._is_open.set()
