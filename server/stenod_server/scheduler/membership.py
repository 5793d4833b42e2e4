"""A node's part in its cluster: it hears what the others tell, says how it is, and knows who is there.

Signals only make things quicker. Whatever is told may be lost: jobs are looked for every `poll_s`, watches ask every
`watch_poll_s`, and a cancel is seen when the lease is renewed.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from stenod_server.errors import StoreUnavailable
from stenod_server.ports.cluster import Signal, SignalKind, Signals
from stenod_server.scheduler.dispatcher import Dispatcher
from stenod_server.scheduler.nodes import Nodes
from stenod_server.scheduler.recorder import StopReason
from stenod_server.scheduler.updates import Broadcast, JobUpdates

FAREWELL_S: Final = 2.0  # a store that is away shall not keep a node from ending in time


class Membership:
    """From `join` to `leave`; a node whose `nodes` is None is on its own, and both do nothing."""

    def __init__(
        self,
        signals: Signals | None,
        nodes: Nodes | None,
        *,
        dispatcher: Dispatcher,
        updates: JobUpdates,
        changed: Broadcast,
    ) -> None:
        self.nodes = nodes
        self._signals = signals
        self._dispatcher = dispatcher
        self._updates = updates
        self._changed = changed
        self._hang_up: Callable[[], None] = lambda: None
        self._beating: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Raises StoreUnavailable."""
        if self.nodes is None or self._signals is None:
            return
        self._hang_up = self._signals.subscribe(self.hear)
        await self.nodes.beat()
        self._beating = asyncio.create_task(self.nodes.run(), name="nodes")

    async def tell_of_leaving(self) -> None:
        """That nobody shall count on its engines any more."""
        self._dispatcher.draining = True
        if self.nodes is not None and self._beating is not None:
            await _soon(self.nodes.beat())

    async def leave(self) -> None:
        """May be called twice."""
        self._hang_up()
        self._hang_up = lambda: None
        if self._beating is None or self.nodes is None:
            return
        self._beating.cancel()
        await asyncio.wait({self._beating})
        self._beating = None
        await _soon(self.nodes.leave())  # else it is gone once it has been silent for a while

    def hear(self, signal: Signal) -> None:
        match signal.kind:
            case SignalKind.QUEUED:
                self._dispatcher.look()
                self._changed.notify()
            case SignalKind.STOP:
                self._dispatcher.request_stop(signal.name, StopReason.CANCEL)
            case SignalKind.CHANGED if signal.name not in self._dispatcher.running:
                self._updates.invalidate(signal.name)
            case SignalKind.CAPACITY:
                if self.nodes is not None:
                    self.nodes.look_soon()
                self._changed.notify()
            case SignalKind.MISSED:
                self._updates.invalidate_all()
                self._dispatcher.look()
                self._changed.notify()
            case _:
                pass


async def _soon(call: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await call
