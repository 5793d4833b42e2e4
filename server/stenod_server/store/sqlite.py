"""SQLite, and all that is particular to it: pragmas, threads, one writer with group commit, several readers.

The writer commits everything that waits in one transaction, so that under load many calls share one fsync; alone, a
call waits for nobody. Each operation has a savepoint of its own: one that is refused takes no other with it.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from stenod_server.errors import StoreUnavailable
from stenod_server.ports.cluster import Signal
from stenod_server.ports.media import Written
from stenod_server.store import disk
from stenod_server.store.faults import translated
from stenod_server.store.telling import take_told

T = TypeVar("T")
Operation = Callable[[sa.Connection], Any]
Publish = Callable[[Iterable[Signal]], None]

READERS: Final = 4  # readers wait for the disk, hardly for one another; more threads than this only fight for the GIL
MAX_BATCH: Final = 64  # operations per commit: bounds how long the first of them waits for the last
_SCRUB_PATIENCE_MS: Final = 50  # for a reader to finish its statement: the writer stands still meanwhile
LOCK_TIMEOUT_S: Final = 10.0  # only another process can hold the lock: a second node, a backup, the sqlite3 shell
_RETRY_S: Final = 0.01  # where SQLite does not wait itself

_PRAGMAS: Final = (
    "synchronous = FULL",  # the write-ahead log is synced before a commit returns: an accepted job survives a power cut
    "foreign_keys = ON",  # off by default in SQLite
    "secure_delete = ON",  # DeleteJob erases: deleted transcripts are overwritten, not only forgotten
    "journal_size_limit = 67108864",  # bytes: a log grown by one large transaction is cut back
)


def _to_nobody(told: Iterable[Signal]) -> None:
    del told


class SqliteDatabase:
    """`path` None: in memory, for one process and gone on close. `publish` gets what a transaction told once it has
    committed. Build with `open_sqlite`.
    """

    def __init__(
        self, path: Path | None, *, publish: Publish = _to_nobody, lock_timeout_s: float = LOCK_TIMEOUT_S
    ) -> None:
        self._publish = publish
        self._write_thread = ThreadPoolExecutor(1, "stenod-sql-writer")
        self._write_engine = _engine(path, lock_timeout_s, poolclass=NullPool)
        sa.event.listen(self._write_engine, "begin", _begin_immediate)
        self._connection: sa.Connection | None = None  # used by the writer's thread only
        self._waiting: deque[tuple[Operation, asyncio.Future[Any]]] = deque()
        self._committer: asyncio.Task[None] | None = None
        self._read_threads: ThreadPoolExecutor | None = None
        if path is not None:  # in memory there is one connection, which is the writer's
            self._read_threads = ThreadPoolExecutor(READERS, "stenod-sql-reader")
            self._read_engine = _engine(path, lock_timeout_s, poolclass=QueuePool, pool_size=READERS, max_overflow=0)
        self._is_closed = False

    async def read(self, operation: Callable[[sa.Connection], T]) -> T:
        if self._read_threads is None:
            return await self.write(operation)
        self._check_open()
        with translated():
            return await _loop().run_in_executor(self._read_threads, partial(self._read, operation))

    async def write(self, operation: Callable[[sa.Connection], T], *, after: Written = None) -> T:
        self._check_open()
        if after is not None:
            operation = partial(_and_then, operation, after)
        outcome: asyncio.Future[T] = _loop().create_future()
        self._waiting.append((operation, outcome))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_waiting(), name="store-committer")
        with translated():
            return await outcome

    async def scrub(self) -> bool:
        """`secure_delete` overwrites what is deleted in the database file, but the log before it still has the pages as
        they were: it is written back and cut off. A few milliseconds; waits for no reader.
        """
        self._check_open()
        with translated():
            return await _loop().run_in_executor(self._write_thread, self._cut_log)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._committer is not None:
            await self._committer
        await _loop().run_in_executor(self._write_thread, self._disconnect)
        self._write_thread.shutdown()
        if self._read_threads is not None:
            self._read_threads.shutdown()
            self._read_engine.dispose()

    def _check_open(self) -> None:
        if self._is_closed:
            message = "the store is closed"
            raise StoreUnavailable(message)

    # --- on the event loop: who waits gets an answer --------------------------------------------------------------

    async def _commit_waiting(self) -> None:
        """Runs while anything waits; ends on its own."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            batch = [(operation, outcome) for operation, outcome in batch if not outcome.cancelled()]
            if batch:
                operations = [operation for operation, _ in batch]
                commit = partial(self._commit, operations)
                results, told = await _loop().run_in_executor(self._write_thread, commit)
                self._publish(told)
                _answer((outcome for _, outcome in batch), results)

    # --- on the threads -------------------------------------------------------------------------------------------

    def _commit(self, operations: Sequence[Operation]) -> tuple[Sequence[object], Sequence[Signal]]:
        """Run all in one transaction; gives what each returned, or the exception it raised, and what they told."""
        try:
            if self._connection is None:
                self._connection = self._write_engine.connect()
            take_told(self._connection)  # of a transaction that failed
            with self._connection.begin():
                if len(operations) == 1:
                    results = [operations[0](self._connection)]
                else:
                    results = [_in_savepoint(self._connection, operation) for operation in operations]
            return results, take_told(self._connection)
        except Exception as error:  # noqa: BLE001  the callers' to raise, on the event loop
            return [error] * len(operations), ()

    def _read(self, operation: Callable[[sa.Connection], T]) -> T:
        with self._read_engine.connect() as connection:
            return operation(connection)

    def _cut_log(self) -> bool:
        if self._connection is None:
            return True
        driver = self._connection.connection.cursor()
        lock_timeout_ms = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute(f"PRAGMA busy_timeout = {_SCRUB_PATIENCE_MS}")
        try:
            is_busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:
            return False
        finally:
            driver.execute(f"PRAGMA busy_timeout = {lock_timeout_ms}")
            driver.close()
        return not is_busy

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._write_engine.dispose()


async def open_sqlite(
    path: Path | None, prepare: Operation, *, publish: Publish = _to_nobody, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> SqliteDatabase:
    """Open, and run `prepare` (the migrations) in a transaction that locks other processes out. Raises as `write`."""
    with translated():
        if path is not None:
            await asyncio.to_thread(disk.make_private_file, path)  # SQLite would let everybody read transcripts
    database = SqliteDatabase(path, publish=publish, lock_timeout_s=lock_timeout_s)
    try:
        await database.write(prepare)
    except BaseException:
        await database.close()
        raise
    return database


def _and_then(operation: Callable[[sa.Connection], T], after: Future[None], connection: sa.Connection) -> T:
    """Whatever is written elsewhere is written while the statements run; the commit is behind both."""
    result = operation(connection)
    after.result()
    return result


def _in_savepoint(connection: sa.Connection, operation: Operation) -> object:
    """What the operation returns, or its error. Raises the error where the whole batch fails with it: on a full disk
    SQLite rolls all of the transaction back, the savepoint too.
    """
    connection.exec_driver_sql("SAVEPOINT operation")
    try:
        result: object = operation(connection)
    except Exception as error:  # noqa: BLE001  of this operation alone; its caller raises it
        try:
            connection.exec_driver_sql("ROLLBACK TO operation")
        except sa.exc.DBAPIError:
            raise error from error.__cause__
        result = error
    connection.exec_driver_sql("RELEASE operation")
    return result


def _answer(outcomes: Iterable[asyncio.Future[Any]], results: Sequence[object]) -> None:
    for outcome, result in zip(outcomes, results, strict=True):
        if outcome.cancelled():
            continue
        if isinstance(result, Exception):
            outcome.set_exception(result)
        else:
            outcome.set_result(result)


def _engine(path: Path | None, lock_timeout_s: float, **options: Any) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path or ':memory:'}",
        connect_args={"timeout": lock_timeout_s, "check_same_thread": False},
        hide_parameters=True,  # parameters are transcripts: never in an error, never in a log
        **options,
    )
    sa.event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # else the driver begins transactions of its own, too late and too weak
    _use_write_ahead_log(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Readers and the writer do not wait for each other then. The first to open a new file changes it, and for the lock
    that this takes SQLite does not wait: of two nodes that start together one would fail. Raises OperationalError.
    """
    give_up_at = time.monotonic() + connection.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock at once: a transaction that read first could not be upgraded once another one wrote."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()
