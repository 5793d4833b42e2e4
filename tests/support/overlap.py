"""Transactions of two nodes that overlap: one has done its work and not committed yet when the other comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import await_only

from stenod_server.store.open import Stores
from tests.support.eventually import eventually_so

T = TypeVar("T")
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass(slots=True)
class Held(Generic[T]):
    """A transaction before its commit. `result` commits it."""

    task: asyncio.Task[T]
    go: asyncio.Event

    async def result(self) -> T:
        self.go.set()
        return await self.task


@asynccontextmanager
async def held(stores: Stores, operation: Callable[[sa.Connection], T]) -> AsyncIterator[Held[T]]:
    worked, go = asyncio.Event(), asyncio.Event()

    def work(connection: sa.Connection) -> T:
        result = operation(connection)
        worked.set()
        await_only(go.wait())
        return result

    task = asyncio.create_task(stores.jobs._database.write(work))
    waiting = asyncio.create_task(worked.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield Held(task, go)
    finally:
        go.set()
        waiting.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def waits(stores: Stores, call: Awaitable[T]) -> asyncio.Task[T]:
    """The call, once it is done or waits for a lock."""
    task = asyncio.ensure_future(call)

    async def is_settled() -> bool:
        count = await stores.jobs._database.read(lambda connection: connection.execute(_WAITING).scalar_one())
        return task.done() or count > 0

    await eventually_so(is_settled)
    return task
