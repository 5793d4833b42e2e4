"""`stenod keys`: the API keys of an access file. A running server notices within a second or so."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import fail
from stenod_server.cli.listing import Form, Limit, ListFormat, clock_time, show_json, show_table
from stenod_server.domain.access import DEFAULT_TENANT

if TYPE_CHECKING:
    from stenod_server.access.access_file import KeyEntry

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)

File = Annotated[
    Path, typer.Option("--file", metavar="FILE", envvar="STENOD_ACCESS_FILE", help="The server's access file.")
]
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class KeyScope(StrEnum):
    """What a key is good for."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@app.command("create")
def create(
    file: File,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose jobs they are.")] = DEFAULT_TENANT,
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(help="What it is good for; may be repeated.", show_default="read and submit"),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="90d", help="For how long: hours, days or weeks.", show_default="for ever")
    ] = "",
) -> None:
    """Make a key and add it to the access file, which is made where there is none.

    The key goes to standard output, and is told this once: the file has its hash alone.
    """
    from pydantic import ValidationError

    from stenod_server.access.access_file import KeyEntry
    from stenod_server.access.key_file import add_key
    from stenod_server.access.keys import hash_of, new_key

    key, key_id = new_key()
    scopes = [one.value for one in scope or (KeyScope.READ, KeyScope.SUBMIT)]
    try:
        entry = KeyEntry.model_validate(
            {"id": key_id, "tenant": tenant, "hash": hash_of(key), "scopes": scopes, "expires": _moment(expires)}
        )
        add_key(file, entry)
    except ValidationError as error:
        fail("; ".join(f"--{each['loc'][0]}: {each['msg']}" for each in error.errors()))
    except (ValueError, OSError) as error:
        fail(f"{file}: {error}")
    typer.echo(f"key {key_id} of tenant {tenant} is in {file}; the key itself is shown this once:", err=True)
    typer.echo(key)


@app.command("list")
def list_keys(file: File, form: Form = ListFormat.TABLE, limit: Limit = 1000) -> None:
    """List the keys of an access file."""
    from stenod_server.access.key_file import read_keys

    try:
        entries = list(read_keys(file).keys.values())[:limit]
    except (ValueError, OSError) as error:
        fail(f"{file}: {error}")
    if form is ListFormat.JSON:
        show_json([entry.model_dump(mode="json", exclude={"hash"}) | _sorted_scopes(entry) for entry in entries])
    else:
        show_table([_row(entry) for entry in entries], ["id", "tenant", "scopes", "expires"])


@app.command("revoke")
def revoke(
    file: File,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.", show_default=False)],
) -> None:
    """Take a key out of the access file: new calls with it are refused; a watch under way goes on."""
    from stenod_server.access.key_file import remove_key

    try:
        remove_key(file, key_id)
    except KeyError:
        fail(f"{file} has no key {key_id!r}")
    except (ValueError, OSError) as error:
        fail(f"{file}: {error}")
    typer.echo(f"{key_id}  revoked")


def _moment(duration: str) -> datetime | None:
    """Raises ValueError."""
    if not duration:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", duration)
    if not found:
        message = f"--expires {duration!r} is not a number with h, d or w"
        raise ValueError(message)
    return datetime.now(UTC).replace(microsecond=0) + int(found[1]) * _UNITS[found[2]]


def _row(entry: "KeyEntry") -> dict[str, Any]:
    return {
        "id": entry.id,
        "tenant": entry.tenant,
        "scopes": " ".join(sorted(entry.scopes)),
        "expires": clock_time(entry.expires),
    }


def _sorted_scopes(entry: "KeyEntry") -> dict[str, list[str]]:
    return {"scopes": sorted(entry.scopes)}
