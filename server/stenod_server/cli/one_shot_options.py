"""The options of a node that lives for one command."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

_PANEL = "Without a server"


def _one_shot(name: str, help_text: str, metavar: str | None = None, default: str = "") -> Any:
    return typer.Option(name, help=help_text, metavar=metavar, show_default=default or False, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneShotOptions:
    """None: not given."""

    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start a node for this command alone.", rich_help_panel=_PANEL)
    ] = False
    output: Annotated[
        str | None, _one_shot("--output", "Where results go: s3://, gs://, az:// or a directory.", "TO")
    ] = None
    state: Annotated[
        str | None, _one_shot("--state", "Where what is done is kept for a successor: the same.", "PLACE")
    ] = None
    checkpoint_s: Annotated[float | None, _one_shot("--checkpoint-s", "How often, in a bucket.", "SECONDS", "30")] = (
        None
    )
    grace_s: Annotated[
        float | None, _one_shot("--grace-s", "How long jobs may finish after SIGTERM.", "SECONDS", "10")
    ] = None
    node_config: Annotated[
        Path | None, _one_shot("--node-config", "Settings of the node, as of `stenod serve --config`.", "FILE")
    ] = None

    def check_unused(self) -> None:
        """Raises typer.BadParameter for what only a node of its own can do."""
        for field in fields(self):
            if getattr(self, field.name):
                message = f"--{field.name.replace('_', '-')} goes with --embedded"
                raise typer.BadParameter(message)
