"""Writing what arrives in a thread, while more arrives: neither waits for the other."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from stenod_server.object_store.to_its_end import to_its_end

BEHIND_BYTES: Final = 4 * 1024 * 1024  # at most this much, and one piece, is in memory: then who brings it waits


class WriteBehind:
    """Each of `writes` is called in a thread with all that has come meanwhile, in its order, and never twice at a time,
    but beside the others. What one raises every later call raises; then nothing more is written.
    """

    def __init__(self, *writes: Callable[[Sequence[bytes]], None]) -> None:
        self._writes = writes
        self._waiting: list[bytes] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_written = asyncio.Event()
        self.behind_bytes = 0

    async def feed(self, piece: bytes) -> None:
        """Waits only where too much is behind. Cancelled, it has taken the piece all the same."""
        self._waiting.append(piece)
        self.behind_bytes += len(piece)
        if self._writing is not None and self._writing.done():
            self._writing.result()  # raises where it failed
            self._writing = None
        if self._writing is None:
            self._writing = asyncio.create_task(self._run(), name="write-behind")
        while self.behind_bytes > BEHIND_BYTES and not self._writing.done():
            self._is_written.clear()
            await self._is_written.wait()

    async def drain(self) -> None:
        """Until all is written."""
        if self._writing is not None:
            await asyncio.wait({self._writing})  # which goes on where its caller is cancelled
            self._writing.result()

    async def _run(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting = self._waiting, []
                await to_its_end(self._write(pieces))
                self.behind_bytes -= sum(map(len, pieces))
                self._is_written.set()
        finally:
            self._is_written.set()

    async def _write(self, pieces: Sequence[bytes]) -> None:
        """All come to their end, whatever one raises."""
        ends = [asyncio.to_thread(write, pieces) for write in self._writes]
        for error in await asyncio.gather(*ends, return_exceptions=True):
            if error is not None:
                raise error
