"""How commands reach a server: the options that say which and as whom, one way to run, one way to fail."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

import typer

if TYPE_CHECKING:
    import grpc

    import stenod

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_PANEL = "Connection"


def _access(name: str, help_text: str, metavar: str | None = None) -> Any:
    variable = "STENOD_" + name.strip("-").upper().replace("-", "_")
    return typer.Option(name, envvar=variable, help=help_text, metavar=metavar, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server, and what it is shown. Each field is an option of every command that has one."""

    server: Annotated[
        str,
        typer.Option("--server", metavar="HOST:PORT", envvar="STENOD_SERVER", help="The gRPC address of the server."),
    ] = "127.0.0.1:50051"
    api_key: Annotated[
        str, _access("--api-key", "A key of the server; a file is safer: others see a command line.")
    ] = field(default="", repr=False)
    api_key_file: Annotated[Path | None, _access("--api-key-file", "The file with the key; goes before --api-key.")] = (
        None
    )
    tls: Annotated[bool, _access("--tls", "Encrypt the connection; the options below imply it.")] = False
    tls_ca: Annotated[Path | None, _access("--tls-ca", "CAs to trust in place of the usual ones (PEM).")] = None
    tls_cert: Annotated[Path | None, _access("--tls-cert", "A client certificate to show (PEM).")] = None
    tls_key: Annotated[Path | None, _access("--tls-key", "Its private key (PEM).")] = None

    @property
    def is_encrypted(self) -> bool:
        return self.tls or any((self.tls_ca, self.tls_cert, self.tls_key))

    def key(self) -> str:
        """Raises OSError."""
        return self.api_key_file.read_text("utf-8").strip() if self.api_key_file else self.api_key

    def credentials(self) -> "grpc.ChannelCredentials | None":
        """Raises OSError, ValueError."""
        import stenod

        if not self.is_encrypted:
            return None
        return stenod.tls(ca_file=self.tls_ca, cert_file=self.tls_cert, key_file=self.tls_key)


DEFAULT_SERVER = Server()


Work: TypeAlias = "Callable[[stenod.Client], Awaitable[int | None]]"


def run(server: Server, work: Work, *, busy_s: float = 0.0) -> NoReturn:
    """Do `work` with a client that is connected, and exit with the status it returns, or with 1 after an error.

    `busy_s` is for how long a submission waits for room on a server that is full.
    """
    stenod = client_library()
    try:
        status = reach(server, work, busy_s=busy_s)
    except stenod.StenodError as error:
        fail(explain(error, server))
    raise typer.Exit(status)


def reach(server: Server, work: Work, *, busy_s: float = 0.0) -> int:
    """As `run`, for a command that goes on afterwards. Raises stenod.StenodError."""
    stenod = client_library()
    try:
        key, credentials = server.key(), server.credentials()
    except (OSError, ValueError) as error:
        fail(str(error))
    if key and credentials is None and not stenod.is_loopback(server.server):
        typer.echo("stenod: warning: the key goes out in plain text; add --tls", err=True)

    async def connected() -> int:
        retry = stenod.RetryPolicy(busy_s=busy_s)
        async with stenod.Client(server.server, api_key=key, credentials=credentials, retry=retry) as client:
            # Health is never retried, so that a server that is not there is noticed at once.
            await client.health()
            return await work(client) or 0

    try:
        return asyncio.run(connected())
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def client_library() -> Any:
    """`stenod`, imported when it is needed: gRPC is heavy, and reads once whether to speak for itself."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what fails is told once, and by us
    import stenod

    return stenod


def explain(error: "stenod.StenodError", server: Server) -> str:
    """The error in words for the person at the terminal."""
    from stenod.errors import Busy, NotAllowed, Unavailable

    match error:
        # Without a reason it is not the server that speaks, but gRPC that found nobody.
        case Unavailable(reason="") if server.is_encrypted:
            return f"no stenod server answers at {server.server} over TLS: {error.message}"
        case Unavailable(reason=""):
            return (
                f"no stenod server answers at {server.server}; start one with `stenod serve`, name another with "
                "--server, or add --tls if it speaks TLS"
            )
        case NotAllowed(reason="UNAUTHENTICATED"):
            return f"{error.message}; give one with --api-key-file or STENOD_API_KEY, or --tls-cert and --tls-key"
        case NotAllowed(reason="PERMISSION_DENIED"):
            return f"{error.message}; these credentials do not have it"
        case Busy() if error.retry_after_s:
            return f"{error.message} (try again in {error.retry_after_s:g} s)"
    return error.message


def fail(message: str) -> NoReturn:
    typer.echo(f"stenod: {message}", err=True)
    raise typer.Exit(1)
