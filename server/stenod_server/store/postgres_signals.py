"""`PostgresSignals`: signals between nodes by LISTEN and NOTIFY, on a connection of their own.

What this node's transactions tell is told here at once, and to the others by a NOTIFY of its own as soon as they have
committed, many in one: a NOTIFY inside of them would make them commit one after the other in the whole database (ADR
19). The same connection asks the server for the time every few seconds, so that a dead one is noticed.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import structlog

from stenod_server.errors import StenodError
from stenod_server.ports.cluster import Signal, SignalKind
from stenod_server.store.database_clock import DatabaseClock
from stenod_server.store.postgres_driver import PostgresUrl
from stenod_server.store.signals import Hear, LocalSignals

CHANNEL: Final = "stenod"
LAST_WORDS_S: Final = 1.0
BEAT_S: Final = 5.0  # between questions for the time
ANSWER_S: Final = 5.0  # a server that says nothing for so long is not there
_BACKOFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_MAX_PENDING: Final = 10_000  # signals that wait for a connection; then "look for yourself" in place of them all
_MAX_PAYLOAD: Final = 7000  # bytes; NOTIFY takes less than 8000
_NOTIFY: Final = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"
_NOW: Final = "SELECT clock_timestamp()"

_log = structlog.get_logger()


class PostgresSignals:
    """Implements `ports.cluster.Signals`. Opened with `start`; then `clock` follows the database's."""

    def __init__(self, url: PostgresUrl, clock: DatabaseClock) -> None:
        self._url = url
        self._clock = clock
        self._here = LocalSignals()
        self._origin = uuid.uuid4().hex[:12]  # what comes back from the server with this name was told already
        self._pending: dict[Signal, None] = {}
        self._wake = asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        return self._here.subscribe(hear)

    def publish(self, signals: Iterable[Signal]) -> None:
        """Of a transaction that has committed."""
        told = tuple(signals)
        self._here.publish(told)
        self._pending.update(dict.fromkeys(told))
        if len(self._pending) > _MAX_PENDING:
            self._pending = {Signal(SignalKind.MISSED): None}
        if self._pending:
            self._all_told.clear()
            self._wake.set()

    async def start(self) -> None:
        """Returns once it listens and the clock is set. Raises StoreUnavailable, InvalidField."""
        connection = await self._listen()
        self._task = asyncio.create_task(self._run(connection), name="store-signals")

    async def close(self) -> None:
        """Tell first what is to be told still, where somebody listens. May be called twice."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._all_told.wait()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, connection: Any) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._serve(connection)
            except Exception as error:  # noqa: BLE001  a supervisor: whatever broke it, it listens again
                _log.warning("signals_lost", error=type(error).__name__)
            finally:
                connection.terminate()
            connection = await self._listen_again()
            self._here.publish([Signal(SignalKind.MISSED)])

    async def _serve(self, connection: Any) -> None:
        """Tell what is to be told; ask for the time when nothing is. Ends with the connection."""
        connection.add_termination_listener(lambda _connection: self._wake.set())
        while not connection.is_closed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):  # wait_for of Python 3.11 may swallow being cancelled
                    await self._wake.wait()
            self._wake.clear()
            if self._pending and not connection.is_closed():
                await self._send(connection)
            elif not connection.is_closed():
                await self._measure(connection)

    async def _send(self, connection: Any) -> None:
        sent, self._pending = self._pending, {}
        try:
            await connection.execute(_NOTIFY, CHANNEL, list(_packed(self._origin, sent)), timeout=ANSWER_S)
        except BaseException:
            self._pending = sent | self._pending  # told twice is as good as once
            raise
        if not self._pending:
            self._all_told.set()

    async def _measure(self, connection: Any) -> None:
        before_s = self._clock.monotonic_s()
        time = await connection.fetchval(_NOW, timeout=ANSWER_S)
        self._clock.measured(time, asked_s=before_s, answered_s=self._clock.monotonic_s())

    async def _listen(self) -> Any:
        connection = await self._url.connect()
        try:
            async with asyncio.timeout(ANSWER_S):
                await connection.add_listener(CHANNEL, self._heard)
            await self._measure(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _listen_again(self) -> Any:
        waits = iter(_BACKOFF_S)
        wait_s = 0.0
        while True:
            try:
                return await self._listen()
            except Exception as error:  # noqa: BLE001  the database is away: for how long, nobody knows
                wait_s = next(waits, wait_s)
                said = str(error) if isinstance(error, StenodError) else type(error).__name__
                _log.info("signals_waiting", error=said, wait_s=wait_s)
            await asyncio.sleep(wait_s)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        origin, *lines = str(payload).split("\n")
        if origin != self._origin:
            self._here.publish(_unpacked(lines))


def _packed(origin: str, signals: Iterable[Signal]) -> Iterator[str]:
    """Payloads: who tells, then a line for each signal."""
    payload, size = [origin], len(origin)
    for signal in signals:
        line = f"{signal.kind} {signal.name}"
        bytes_more = len(line.encode()) + 1
        if size + bytes_more > _MAX_PAYLOAD:
            yield "\n".join(payload)
            payload, size = [origin], len(origin)
        payload.append(line)
        size += bytes_more
    yield "\n".join(payload)


def _unpacked(lines: Iterable[str]) -> Iterator[Signal]:
    """Leaves out what only a newer node knows."""
    for line in lines:
        kind, _, name = line.partition(" ")
        if kind in SignalKind.__members__.values():
            yield Signal(SignalKind(kind), name)
