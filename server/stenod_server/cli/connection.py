"""How commands reach a server: one option, one way to run, one way to fail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    import stenod

Server = Annotated[
    str, typer.Option("--server", metavar="HOST:PORT", envvar="STENOD_SERVER", help="The gRPC address of the server.")
]
DEFAULT_SERVER = "127.0.0.1:50051"
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def run(server: str, work: "Callable[[stenod.Client], Awaitable[int | None]]", *, busy_s: float = 0.0) -> NoReturn:
    """Do `work` with a client that is connected, and exit with the status it returns, or with 1 after an error.

    `busy_s` is for how long a submission waits for room on a server that is full.
    """
    import stenod

    async def connected() -> int:
        async with stenod.Client(server, retry=stenod.RetryPolicy(busy_s=busy_s)) as client:
            # Health is never retried, so that a server that is not there is noticed at once.
            await client.health()
            return await work(client) or 0

    try:
        status = asyncio.run(connected())
    except stenod.StenodError as error:
        fail(explain(error, server))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    raise typer.Exit(status)


def explain(error: "stenod.StenodError", server: str) -> str:
    """The error in words for the person at the terminal."""
    from stenod.errors import Busy, Unavailable

    # Without a reason it is not the server that speaks, but gRPC that found nobody.
    if isinstance(error, Unavailable) and not error.reason:
        return f"no stenod server answers at {server}; start one with `stenod serve`, or name another with --server"
    if isinstance(error, Busy) and error.retry_after_s:
        return f"{error.message} (try again in {error.retry_after_s:g} s)"
    return error.message


def fail(message: str) -> NoReturn:
    typer.echo(f"stenod: {message}", err=True)
    raise typer.Exit(1)
