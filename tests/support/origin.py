"""A real HTTP/1.1 server that answers as a script says: well, badly, or not at all."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

ETAG = '"v1"'


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. Header names in lower case."""

    path: str
    headers: Mapping[str, str]

    @property
    def offset_bytes(self) -> int:
        """Where a request for a range begins."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Origin:
    """Answers by path (without query); 404 elsewhere. `asked` are the requests that came, in their order."""

    address: str = ""
    scheme: str = "http"
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str, *, host: str = "") -> str:
        authority = f"{host}:{self.port}" if host else self.address
        return f"{self.scheme}://{authority}{path}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = _parse(await reader.readuntil(b"\r\n\r\n"))
            self.asked.append(asked)
            await self.answers.get(asked.path.partition("?")[0], status(404))(asked, writer)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def running_origin(host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """An origin on a free port of `host`."""
    origin = Origin(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(origin.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda ended: writer.transport.abort() if ended.cancelled() else None)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    bound = server.sockets[0].getsockname()
    origin.address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
    try:
        yield origin
    finally:
        server.close()
        for task in tasks:  # those that stall, at the end of a test
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """An answer with its length; `_` in header names stands for `-`."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(code, content_length=str(len(body)), **headers) + body)

    return answer


def media(body: bytes, **headers: str) -> Answer:
    return status(200, body, **headers)


def redirect(location: str, code: int = 302) -> Answer:
    return status(code, location=location)


def raw(data: bytes) -> Answer:
    """These very bytes, then the end of the connection."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def breaking(body: bytes, *breaks_bytes: int, **headers: str) -> Answer:
    """Breaks off at each of these offsets in turn; goes on where it is asked to, if `If-Range` fits the `etag`."""
    breaks = list(breaks_bytes)
    headers = {"etag": ETAG, **headers}

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        start = asked.offset_bytes if asked.headers.get("if-range", "") in headers.values() else 0
        end = breaks.pop(0) if breaks else len(body)
        if start:
            content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
            writer.write(head(206, content_length=str(len(body) - start), content_range=content_range, **headers))
        else:
            writer.write(head(200, content_length=str(len(body)), **headers))
        writer.write(body[start:end])
        await writer.drain()

    return answer


def stalling(data: bytes = b"") -> Answer:
    """These bytes, then silence."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.Event().wait()

    return answer


def dripping() -> Answer:
    """A byte now and then, for ever."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    return answer


def resetting() -> Answer:
    """No answer: the connection is torn down."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return answer


def head(code: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {code} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode()


def _parse(data: bytes) -> Asked:
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(path=first.split(" ")[1], headers=headers)
