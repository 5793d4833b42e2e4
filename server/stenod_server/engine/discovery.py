"""Where the Tritons are: named one by one, or by a name in DNS that stands for all of them.

`host:port` is one Triton, whatever the name resolves to (gRPC follows it). `dns:///name:port` is a Triton at every
address of the name, looked up again and again: a headless service of Kubernetes is such a name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from stenod_server.errors import InvalidField

LOOK_S: Final = 5.0
LOOK_SOON_S: Final = 1.0  # while no Triton serves: somebody waits for the first one
_SCHEME: Final = "dns:///"
_log = structlog.get_logger()

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`is_name`: each address of `host` is a Triton of its own."""

    host: str
    port: int
    is_name: bool

    @property
    def url(self) -> str:
        return joined(self.host, self.port)


class Follower(Protocol):
    """Who uses the Tritons that are found."""

    @property
    def answering(self) -> Collection[str]:
        """Those that serve."""
        ...

    def follow(self, urls: Sequence[str]) -> None: ...


def parse(urls: Sequence[str]) -> tuple[Endpoint, ...]:
    """Raises InvalidField, which names the form that is expected."""
    return tuple(_parse(url) for url in urls)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name as `address:port`; none: there is no such name, or nobody has it. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
            return ()
        raise
    return [joined(str(place[0]), port) for *_, place in found]


class Discovery:
    """Looks names up. One that cannot be looked up keeps what was found of it last. One that has no address at all
    takes away only Tritons that do not answer: a fleet whose probes fail under load is not a fleet that is gone.
    """

    def __init__(self, endpoints: Sequence[Endpoint], resolve: Resolve = resolve) -> None:
        self._endpoints = endpoints
        self._resolve = resolve
        self._last: dict[Endpoint, tuple[str, ...]] = {}

    @property
    def changes(self) -> bool:
        """Whether there is anything to look up."""
        return any(endpoint.is_name for endpoint in self._endpoints)

    async def look(self, answering: Collection[str] = ()) -> Sequence[str]:
        """Every Triton there is now, each once, in a steady order."""
        found: list[str] = []
        for endpoint in self._endpoints:
            found += await self._look(endpoint, answering) if endpoint.is_name else [endpoint.url]
        return list(dict.fromkeys(found))

    async def _look(self, endpoint: Endpoint, answering: Collection[str]) -> Sequence[str]:
        last = self._last.get(endpoint, ())
        try:
            now = tuple(sorted(await self._resolve(endpoint.host, endpoint.port)))
        except OSError as error:
            _log.warning("tritons_not_looked_up", name=endpoint.host, problem=str(error), using=len(last))
            return last
        now = now or tuple(url for url in last if url in answering)
        if now != last:
            _log.info("tritons_found", name=endpoint.host, urls=now)
        self._last[endpoint] = now
        return now


async def keep_looking(discovery: Discovery, follower: Follower, *, sleep: Sleep = asyncio.sleep) -> None:
    """Tell `follower` what there is, for ever. Ends by cancellation only."""
    while True:
        await sleep(LOOK_S if follower.answering else LOOK_SOON_S)
        follower.follow(await discovery.look(follower.answering))


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse(url: str) -> Endpoint:
    is_name = url.startswith(_SCHEME)
    host, _, port = url.removeprefix(_SCHEME).rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_right = bool(bare) and "/" not in bare and (":" not in bare or bare != host) and port.isdecimal()
    if not is_right or not 0 < int(port) < 2**16:
        raise InvalidField("triton_url", f"{url!r} is neither host:port nor dns:///name:port")
    return Endpoint(bare, int(port), is_name)
