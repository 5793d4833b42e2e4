"""`stenod capacity`: how busy a server is."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, run
from stenod_server.cli.listing import Form, ListFormat, message_fields, show_fields, show_json
from stenod_server.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    import stenod
    from stenod.v1 import capacity_pb2


@with_option_groups
def capacity(
    server: Server = DEFAULT_SERVER,
    form: Form = ListFormat.TABLE,
    watch: Annotated[bool, typer.Option("--watch", help="Show every change, until interrupted.")] = False,
) -> None:
    """Show the engines, the queue and the speed of a server."""

    async def ask(client: "stenod.Client") -> None:
        if not watch:
            _show(await client.capacity(), form)
            return
        async with aclosing(client.watch_capacity()) as changes:
            async for change in changes:
                _show(change, form)
                if form is ListFormat.TABLE:
                    typer.echo()

    run(server, ask)


def _show(capacity: "stenod.Capacity", form: ListFormat) -> None:
    if form is ListFormat.JSON:
        show_json(message_fields(capacity.proto))
        return
    show_fields(
        {
            "node": capacity.node,
            "engines": f"{capacity.max_engines - capacity.unused_engines} of {capacity.max_engines} reserved",
            "elastic engines": capacity.elastic_engines,
            "active jobs": " ".join(capacity.active_job_ids) or "-",
            "queued jobs": capacity.queued_job_count,
            "oldest queued": _seconds(capacity.oldest_queued_s),
            "expected wait": _seconds(capacity.expected_wait_s),
            "real-time factor": capacity.real_time_factor,
            "admission": capacity.admission_mode,
            "accepting": capacity.accepting,
            "nodes": " ".join(map(_node, capacity.proto.nodes)),
        }
    )


def _node(node: "capacity_pb2.NodeCapacity") -> str:
    if not node.max_engines:
        return f"{node.node}=API"
    state = "draining" if node.draining else "" if node.ready else "not ready"
    return f"{node.node}={node.max_engines - node.unused_engines}/{node.max_engines}" + (f"({state})" if state else "")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f} s"
