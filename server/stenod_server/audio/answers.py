"""The pipe on which a worker answers. What it says goes from there into the memory where it stays, and is not copied
on its way, as it would be by asyncio's own reader: most of what comes are windows of up to a megabyte.
"""

import asyncio
import os
from contextlib import suppress
from fcntl import F_SETPIPE_SZ, fcntl

from stenod_server.audio.messages import PIPE_BYTES


class AnswerPipe:
    """Hand `writing_end` to the worker, then call `give_away`: it ends when nobody has that end any more."""

    def __init__(self) -> None:
        self._reading_end, self.writing_end = os.pipe()
        os.set_blocking(self._reading_end, False)
        with suppress(OSError):  # no room for a larger one: then windows come in more pieces
            fcntl(self._reading_end, F_SETPIPE_SZ, PIPE_BYTES)
        self._news: asyncio.Future[None] | None = None
        self._is_closed = False
        self.has_ended = False

    def give_away(self) -> None:
        os.close(self.writing_end)

    def take(self, memory: memoryview) -> int:
        """Bytes that are there now, at most as many as `memory` has room for, from its start on; gives their number."""
        if self._is_closed:
            return 0
        try:
            taken = os.readv(self._reading_end, [memory])
        except BlockingIOError:
            return 0
        self.has_ended = taken == 0
        return taken

    async def news(self) -> None:
        """Until there is something to take, or it has ended. For one at a time."""
        if self._is_closed:
            return
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        loop.add_reader(self._reading_end, self._tell)
        try:
            await self._news
        finally:
            if not self._is_closed:
                loop.remove_reader(self._reading_end)

    def close(self) -> None:
        """Whoever waits for news hears that it has ended. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = self.has_ended = True
        asyncio.get_running_loop().remove_reader(self._reading_end)
        os.close(self._reading_end)
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
