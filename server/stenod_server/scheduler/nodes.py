"""What this node tells the others of itself, and what it knows of them: as of the last beat."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog

from stenod_server.errors import StoreUnavailable
from stenod_server.ports import Clock
from stenod_server.ports.cluster import NodeReport, NodeStore
from stenod_server.scheduler.options import SchedulerOptions

BEATS_PER_LIFE: Final = 5  # a node that misses some is not gone

_log = structlog.get_logger()


class Nodes:
    """`report` makes what this node says of itself; `on_change` is called when others came, went or changed."""

    def __init__(
        self,
        store: NodeStore,
        clock: Clock,
        options: SchedulerOptions,
        *,
        report: Callable[[], Awaitable[NodeReport]],
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._report = report
        self._on_change = on_change
        self._known: tuple[NodeReport, ...] = ()
        self._news = asyncio.Event()

    @property
    def known(self) -> Sequence[NodeReport]:
        """All that are up, this one too, by name."""
        return self._known

    @property
    def workers(self) -> Mapping[str, int]:
        """The engines of those that could start a job now."""
        return {
            node.node: node.max_engines for node in self._known if node.max_engines and node.ready and not node.draining
        }

    @property
    def largest_engines(self) -> int:
        """Of the largest node that is up; 0: none that is up runs jobs, or none is known."""
        return max((node.max_engines for node in self._known), default=0)

    async def beat(self) -> None:
        """Say that this node lives, and see who else does. Raises StoreUnavailable."""
        await self._store.report(await self._report())
        await self.look()

    async def look(self) -> None:
        """See who is there. Raises StoreUnavailable."""
        since = self._clock.now() - timedelta(seconds=BEATS_PER_LIFE * self._options.beat_s)
        known = tuple(await self._store.nodes(since=since))
        before, self._known = self._known, known
        if [_without_time(node) for node in before] != [_without_time(node) for node in known]:
            self._on_change()

    def look_soon(self) -> None:
        """Somebody came, went or changed."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled. News are looked at once for many of them."""
        due_s = self._clock_s() + self._options.beat_s
        while True:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_s - self._clock_s()):
                    await self._news.wait()
                    await asyncio.sleep(self._options.beat_s / 8)
            is_due = self._clock_s() >= due_s
            try:
                await (self.beat() if is_due else self.look())
            except StoreUnavailable as error:
                _log.warning("node_not_reported", error=str(error))
            except Exception:  # noqa: BLE001  a supervisor: a fault of one round must not end the heartbeat
                _log.exception("nodes_broke", error_id=uuid.uuid4().hex[:12])
            if is_due:
                due_s = self._clock_s() + self._options.beat_s

    @staticmethod
    def _clock_s() -> float:
        return asyncio.get_running_loop().time()

    async def leave(self) -> None:
        """This node has ended in order. Raises StoreUnavailable."""
        await self._store.forget(self._options.node)


def _without_time(node: NodeReport) -> tuple[object, ...]:
    return (node.node, node.max_engines, node.reserved_engines, node.elastic_engines, node.ready, node.draining)
