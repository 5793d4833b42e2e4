"""A TCP connection that can go quiet, break, or say something else: between a client and a server on loopback."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self


class TcpProxy:
    """`async with TcpProxy("127.0.0.1:1") as proxy: …` serves at `proxy.url`.

    While `quiet` it takes connections and bytes and passes nothing on, in either direction. `rewrites` replaces bytes
    on their way to the server. `accepted` counts connections.
    """

    def __init__(self, target_url: str, *, rewrites: Mapping[bytes, bytes] | None = None) -> None:
        self._host, _, port = target_url.rpartition(":")
        self._port = int(port)
        self._rewrites = dict(rewrites or {})
        self._passes = asyncio.Event()
        self._passes.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.rewritten = 0
        self.accepted = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    @property
    def quiet(self) -> bool:
        return not self._passes.is_set()

    @quiet.setter
    def quiet(self, wanted: bool) -> None:
        if wanted:
            self._passes.clear()
        else:
            self._passes.set()

    async def cut(self) -> None:
        """Break every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            await self._passes.wait()
            server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
            writers.append(server_writer)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pump(reader, server_writer, self._rewrites))
                ways.create_task(self._pump(server_reader, writer, {}))
        except* OSError:
            pass  # one side hung up; so does the other
        finally:
            for open_writer in writers:
                open_writer.close()
                with suppress(OSError):
                    await open_writer.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rewrites: Mapping[bytes, bytes]
    ) -> None:
        while chunk := await reader.read(65536):
            for found, replacement in rewrites.items():
                self.rewritten += chunk.count(found)
                chunk = chunk.replace(found, replacement)
            await self._passes.wait()
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
