"""How commands show what they fetched: aligned columns for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message


class ListFormat(StrEnum):
    """How a listing is written."""

    TABLE = "table"
    JSON = "json"


Form = Annotated[ListFormat, typer.Option("--format", help="Columns for people, or JSON for programs.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="The most to show.")]


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Columns as wide as their widest cell and never cut, so that ids can be copied and lines be piped."""
    cells = [[column.upper() for column in columns], *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_fields(fields: Mapping[str, Any]) -> None:
    """One field a line; what is not known is left out."""
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is not None:
            typer.echo(f"{name.ljust(width)}  {_cell(value)}")


def show_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def message_fields(message: "Message") -> dict[str, Any]:
    """A message in the JSON form of the API, with the field names of the proto files."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)


def clock_time(moment: "datetime | None") -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def _cell(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case _:
            return str(value)
