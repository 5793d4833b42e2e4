"""`stenod ingest`: a bucket of recordings in, a bucket of transcripts out."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, client_library, explain, reach
from stenod_server.cli.option_groups import with_option_groups
from stenod_server.cli.recogniser_options import RecogniserOptions
from stenod_server.cli.speaker_options import SpeakerOptions
from stenod_server.cli.subtitle_options import SubtitleShapeOptions
from stenod_server.cli.text_options import TextOptions
from stenod_server.text.render import TranscriptFormat

if TYPE_CHECKING:
    from stenod_server.cli.bulk.commanding import OpenedOrder

_PANEL = "Which recordings"


class Way(StrEnum):
    """How recordings come to the server."""

    URI = "uri"
    PRESIGN = "presign"
    UPLOAD = "upload"


def _which(name: str, help_text: str, metavar: str) -> Any:
    return typer.Option(name, help=help_text, metavar=metavar, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichOptions:
    """Which objects of the place are taken."""

    include: Annotated[list[str] | None, _which("--include", "Keys like this alone; may be repeated.", "GLOB")] = None
    exclude: Annotated[list[str] | None, _which("--exclude", "No keys like this; may be repeated.", "GLOB")] = None
    from_list: Annotated[
        Path | None, _which("--from-list", "These keys alone: one a line, or a --retry-list.", "FILE")
    ] = None


@with_option_groups
def ingest(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="Where the recordings are: s3://, gs://, az:// or a directory.")
    ],
    target: Annotated[str, typer.Option("--to", metavar="TO", help="Where the transcripts go: the same.")],
    form: Annotated[
        list[TranscriptFormat] | None,
        typer.Option("--format", help="What is written beside the JSON, which always is; may be repeated."),
    ] = None,
    via: Annotated[
        Way,
        typer.Option(help="The server reads the bucket, or a signed address, or is sent the bytes."),
    ] = Way.URI,
    in_flight: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Recordings under way at once.", show_default="twice the engines and 4"),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The list of all results, in order.", show_default="TO/_index.jsonl"),
    ] = None,
    retry_list: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what failed, and why, for --from-list.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    which: WhichOptions,
    recogniser: RecogniserOptions,
    speakers: SpeakerOptions,
    text: TextOptions,
    subtitles: SubtitleShapeOptions,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Transcribe every recording of a bucket with a running server, into another place.

    May be killed and started again: what is done is not done again, and what is not, is. Exit status: 0 all are done,
    1 some failed, 2 the command is wrong or refused, 75 something is away: start it again.
    """
    from stenod_server.cli.bulk.commanding import BulkOrder
    from stenod_server.cli.bulk.outcomes import USAGE
    from stenod_server.errors import InvalidField

    groups = (recogniser, speakers, text, subtitles)
    options = {name: value for group in groups for name, value in group.as_job_options().items()}
    try:
        order = BulkOrder(
            source=source,
            target=target,
            forms=tuple(form or ()),
            via=via.value,
            in_flight=in_flight,
            index=index,
            retry_list=retry_list,
            include=tuple(which.include or ()),
            exclude=tuple(which.exclude or ()),
            from_list=which.from_list,
            config=options,
        )
        opened = order.opened()
    except (InvalidField, OSError, ValueError) as error:
        typer.echo(f"stenod: {getattr(error, 'message', error)}", err=True)
        raise typer.Exit(USAGE) from None
    if dry_run:
        raise typer.Exit(_plan(opened))
    raise typer.Exit(_run(server, opened))


def _run(server: Server, order: "OpenedOrder") -> int:
    from stenod_server.cli.bulk.commanding import carry_out
    from stenod_server.cli.bulk.outcomes import TEMPORARY, USAGE

    stenod = client_library()
    try:
        return reach(server, lambda client: carry_out(client, order, lambda error: explain(error, server)), busy_s=3600)
    except stenod.errors.Unavailable as error:
        typer.echo(f"stenod: {explain(error, server)}", err=True)
        return TEMPORARY
    except stenod.StenodError as error:
        typer.echo(f"stenod: {explain(error, server)}", err=True)
        return USAGE


def _plan(order: "OpenedOrder") -> int:
    import asyncio

    from stenod_server.cli.bulk.commanding import show_plan

    return asyncio.run(show_plan(order))
