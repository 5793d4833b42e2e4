"""`stenod health`: for people, and for probes that cannot speak gRPC."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, run
from stenod_server.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    import stenod


class Service(StrEnum):
    """What is asked about."""

    READINESS = "readiness"
    CAPACITY = "capacity"
    LIVENESS = "liveness"


@with_option_groups
def health(
    server: Server = DEFAULT_SERVER,
    service: Annotated[
        Service,
        typer.Option(
            help="readiness: it answers calls; capacity: it would accept a job now; liveness: its work goes on."
        ),
    ] = Service.READINESS,
) -> None:
    """Ask a server whether it serves. Exit status 0: yes; 1: no, or nobody answers."""

    async def ask(client: "stenod.Client") -> int:
        serving = await client.health(service.value)
        typer.echo("SERVING" if serving else "NOT_SERVING")
        return 0 if serving else 1

    run(server, ask)
