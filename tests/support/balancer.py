"""What stands before several servers in a cluster: takes connections at one address and gives each to a live server."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Final, Self

_CONNECT_S: Final = 1.0
_PROBE_S: Final = 0.3
_MISSES: Final = 2  # in a row, and a server's connections are broken


class Balancer:
    """`async with Balancer(["a:1", "b:2"]) as balancer: …` serves at `balancer.url`.

    A server that takes no connection gets none, and loses those it has after two probes. With one server it is a way to
    it that can be shut: `refusing` breaks what there is and takes nothing.
    """

    def __init__(self, servers: Sequence[str], *, host: str = "127.0.0.1") -> None:
        self._servers = tuple(servers)
        self._host = host
        self._turns = count()
        self._connections: dict[asyncio.Task[None], str] = {}
        self._listening: asyncio.Server | None = None
        self._probes: list[asyncio.Task[None]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._listen(0)
        self._probes = [asyncio.create_task(self._probe(server)) for server in self._servers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self.refuse()

    async def refuse(self) -> None:
        """Break every connection and take none, until `accept`."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._break(list(self._connections))

    async def accept(self) -> None:
        await self._listen(int(self.url.rpartition(":")[2]))

    async def _listen(self, port: int) -> None:
        self._listening = await asyncio.start_server(self._take, self._host, port)
        self.url = f"{self._host}:{self._listening.sockets[0].getsockname()[1]}"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        first = next(self._turns)
        try:
            for place in range(len(self._servers)):
                server = self._servers[(first + place) % len(self._servers)]
                self._connections[task] = server
                with suppress(OSError, TimeoutError):
                    host, _, port = server.rpartition(":")
                    async with asyncio.timeout(_CONNECT_S):
                        behind = await asyncio.open_connection(host, int(port))
                    await _both_ways((reader, writer), behind)
                    return
        except asyncio.CancelledError:
            pass  # the stream protocol would report it as an error
        finally:
            self._connections.pop(task, None)
            writer.close()

    async def _probe(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        misses = 0
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                misses = 0
            except (OSError, TimeoutError):
                misses += 1
                if misses >= _MISSES:
                    await self._break([task for task, to in self._connections.items() if to == server])
            await asyncio.sleep(_PROBE_S)

    async def _break(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(client: _Stream, server: _Stream) -> None:
    pumps = [asyncio.create_task(_pump(client[0], server[1])), asyncio.create_task(_pump(server[0], client[1]))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        server[1].transport.abort()
        client[1].transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
