"""Runs the application on uvicorn, inside the node's event loop; who stops it, and when, is the node's business."""

import asyncio
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from stenod_server.access.tls_files import Identity
from stenod_server.access.watched import WatchedFiles
from stenod_server.errors import InvalidField
from stenod_server.rest.connection import limited

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 75  # longer than the 60 s after which load balancers drop idle connections, so that they do it


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """`setting` is what `address` was given by; `grace_s` what answers have to end when the server does. `tls` None:
    plain text.
    """

    setting: str
    address: str
    max_connections: int
    grace_s: float = 5.0
    tls: WatchedFiles[Identity] | None = None


@asynccontextmanager
async def serving(app: ASGIApp, options: HttpOptions) -> AsyncIterator[str]:
    """Serve while the context is open; gives the `host:port` that is bound. Raises InvalidField naming the setting."""
    listener = _bound(options.setting, options.address)
    config = uvicorn.Config(
        app,
        http=limited(max_connections=options.max_connections),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(options.grace_s)),
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = _context(options.tls) if options.tls else None
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]), name="http")
    try:
        await server.is_up.wait()
        host, port = listener.getsockname()[:2]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    """Signals are the node's: it drains before it stops this one."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bound(setting: str, address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except OSError as error:
        listener.close()
        problem = f"{address} cannot be bound: is another server running there?"
        raise InvalidField(setting, problem) from error
    listener.setblocking(False)
    return listener


def _context_of(identity: Identity) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as pem:  # the one way in; readable by its owner alone
        pem.write(identity.private_key + b"\n" + identity.certificate_chain)
        pem.flush()
        context.load_cert_chain(pem.name)
    if identity.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=identity.client_ca.decode())
    return context


def _context(files: WatchedFiles[Identity]) -> ssl.SSLContext:
    """The certificate is asked for at each handshake, so connections that are open keep theirs."""
    shown: dict[Identity, ssl.SSLContext] = {}

    def current() -> ssl.SSLContext:
        identity = files.current()
        if identity not in shown:
            shown.clear()
            shown[identity] = _context_of(identity)
        return shown[identity]

    def renew(handshake: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        handshake.context = current()

    first = _context_of(files.current())
    first.sni_callback = renew
    return first
