"""Sleeping in a time that a test moves."""

import asyncio
import heapq
from itertools import count

from tests.support.eventually import settle


class VirtualTime:
    """`sleep` in place of asyncio.sleep; `now_s` in place of time.monotonic; `pass_s` lets time pass."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._order), woken))
        await woken

    async def pass_s(self, seconds: float) -> None:
        """Wake who sleeps no longer than until then, one after the other, each at its time."""
        end_s = self.now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.now_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.now_s = end_s
