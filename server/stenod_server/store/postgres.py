"""PostgreSQL, and all that is particular to it: a pool, what is tried again, and how long anything may take.

A server that restarts, or fails over to another, is waited for: a call begins again until its patience ends. One that
says nothing at all is hung up on. A call does not end with its caller: no statement is cancelled in the middle, so that
no connection is left in a state that nobody knows.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from stenod_server.errors import StoreUnavailable
from stenod_server.ports.cluster import Signal
from stenod_server.ports.media import Written
from stenod_server.store import locks
from stenod_server.store.postgres_driver import PostgresUrl
from stenod_server.store.postgres_faults import has_no_use, is_passing, translated
from stenod_server.store.telling import take_told

T = TypeVar("T")
Operation = Callable[[sa.Connection], T]

POOL_SIZE: Final = 10  # connections, and so transactions at a time, of one node
PATIENCE_S: Final = 10.0  # with a server that goes away and comes back; after that a call begins no more
ATTEMPT_S: Final = 10.0  # for one transaction; a commit that a synchronous standby does not confirm takes longer
MIGRATION_S: Final = 600.0
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5


class PostgresDatabase:
    """Implements `Database`. `publish` gets what a transaction told once it has committed. Built by `open_postgres`."""

    def __init__(
        self, url: PostgresUrl, publish: Callable[[Sequence[Signal]], None], *, pool_size: int = POOL_SIZE
    ) -> None:
        self._publish = publish
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=url.connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=PATIENCE_S,
            hide_parameters=True,  # parameters are transcripts: never in an error, never in a log
        )
        # A statement by itself is a transaction: no BEGIN, no COMMIT, a third of the round trips.
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._calls: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def read(self, operation: Operation[T]) -> T:
        return await self._call(partial(self._read, operation))

    async def write(self, operation: Operation[T], *, after: Written = None) -> T:
        if after is not None:
            await asyncio.wrap_future(after)
        return await self._call(partial(self._write, operation, ATTEMPT_S))

    async def migrate(self, operation: Operation[T]) -> T:
        """As `write`, for a change of the schema: nodes take turns, and it may take long."""
        return await self._call(partial(self._write, partial(_alone, operation), MIGRATION_S))

    async def scrub(self) -> bool:
        """What was deleted stays in pages and in the write-ahead log until the server writes over it: only the server's
        own means reach that (ADR 19).
        """
        return True

    async def close(self) -> None:
        self._is_closed = True
        if self._calls:
            await asyncio.wait(self._calls)
        await self._engine.dispose()

    async def _call(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Goes on to its end when the caller is cancelled."""
        if self._is_closed:
            message = "the store is closed"
            raise StoreUnavailable(message)
        task = asyncio.create_task(_persist(attempt), name="store-call")
        self._calls.add(task)
        task.add_done_callback(self._done)
        with translated():
            return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # has been seen, also where the caller has gone

    async def _read(self, operation: Operation[T]) -> T:
        async with _connected(self._autocommit, ATTEMPT_S) as connection:
            return await connection.run_sync(operation)

    async def _write(self, operation: Operation[T], limit_s: float) -> T:
        async with _connected(self._engine, limit_s) as connection, connection.begin():
            result, told = await connection.run_sync(_run, operation)
        self._publish(told)
        return result


async def open_postgres(
    url: PostgresUrl,
    prepare: Operation[None],
    publish: Callable[[Sequence[Signal]], None],
    *,
    pool_size: int = POOL_SIZE,
) -> PostgresDatabase:
    """Open, and run `prepare` (the migrations). Raises as `write`, and InvalidField."""
    database = PostgresDatabase(url, publish, pool_size=pool_size)
    try:
        await database.migrate(prepare)
    except BaseException:
        await database.close()
        raise
    return database


async def _persist(attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Until it is done, or cannot be, or the patience ends."""
    loop = asyncio.get_running_loop()
    patience_until_s = loop.time() + PATIENCE_S
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except (sa.exc.DBAPIError, StoreUnavailable) as error:
            if not is_passing(error) or loop.time() + pause_s > patience_until_s:
                raise
        await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311  so that two of a deadlock part
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)


@asynccontextmanager
async def _connected(engine: AsyncEngine, limit_s: float) -> AsyncIterator[AsyncConnection]:
    """A connection of the pool that is hung up on after `limit_s`: whatever waits for its answer then fails at once."""
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101  for the type checker
        watchdog = asyncio.get_running_loop().call_later(limit_s, driver.terminate)
        try:
            yield connection
        except sa.exc.DBAPIError as error:
            if has_no_use(error):
                driver.terminate()
                await connection.invalidate()
            raise
        finally:
            watchdog.cancel()


def _run(connection: sa.Connection, operation: Operation[T]) -> tuple[T, Sequence[Signal]]:
    """The operation on a clean slate: what an attempt before it told is not told."""
    take_told(connection)
    return operation(connection), take_told(connection)


def _alone(operation: Operation[T], connection: sa.Connection) -> T:
    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{MIGRATION_S:.0f}s'"))
    locks.hold(connection, "migration")
    connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))  # whoever comes after a change of a table waits for it
    return operation(connection)
