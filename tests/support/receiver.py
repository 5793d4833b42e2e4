"""A real HTTP server that is told things: it keeps what came, and answers as a script says."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Final
from urllib.parse import parse_qs, urlsplit

HANG: Final = 0  # the status of an answer that never comes
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came. Header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def parts(self) -> dict[str, tuple[str, str, bytes]]:
        """Of a form: file name, type and content by name, as Python's own parser reads them."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        return {
            str(part.get_param("name", header="content-disposition")): (
                str(part.get_filename()),
                part.get_content_type(),
                bytes(part.get_payload(decode=True) or b""),
            )
            for part in message_from_bytes(head + self.body).walk()
            if not part.is_multipart()
        }


@dataclass(slots=True)
class Receiver:
    """`answers` are (status, headers), one for each request, then 204; `HANG` says nothing until the end."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    answers: deque[tuple[int, Mapping[str, str]]] = field(default_factory=deque)

    def url(self, path: str = "/told", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def then(self, status: int, **headers: str) -> None:
        self.answers.append((status, headers))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            method, target, _ = first.split(" ")
            self.calls.append(Call(method, target, headers, body))
            status, said = self.answers.popleft() if self.answers else (204, {})
            if status == HANG:
                await asyncio.Event().wait()
            extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items())
            writer.write(f"HTTP/1.1 {status} Said\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda ended: writer.transport.abort() if ended.cancelled() else None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_CHUNK)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
