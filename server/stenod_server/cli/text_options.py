"""The options that say how the text is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from stenod_server.cli.option_groups import given_options, ratio_option

_PANEL = "Text"


class Profanity(StrEnum):
    """What is done with swear words."""

    KEEP = "keep"
    MASK = "mask"


def _flag(name: str, help_text: str) -> Any:
    return typer.Option(name, help=help_text, rich_help_panel=_PANEL)


def _repeated(name: str, metavar: str, help_text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help_text, show_default=False, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How the text is written. The fields have the names that the client has for them."""

    numerals: Annotated[bool | None, _flag("--numerals", "Numbers, amounts, dates and times in digits.")] = None
    entities: Annotated[
        bool | None, _flag("--entities", "Tell what was written in digits, and how it was spoken, in json and json-v2.")
    ] = None
    casing: Annotated[bool | None, _flag("--casing/--no-casing", "Capitals.")] = None
    punctuation: Annotated[bool | None, _flag("--punctuation/--no-punctuation", "Marks of punctuation.")] = None
    permitted_marks: Annotated[
        list[str] | None, _repeated("--permitted-mark", "MARK", "The only marks there may be; may be repeated.")
    ] = None
    punctuation_sensitivity: Annotated[
        float | None, ratio_option("How readily marks are set.", "0.5, as the recogniser does", _PANEL)
    ] = None
    remove_disfluencies: Annotated[bool | None, _flag("--remove-disfluencies", 'Leave out words like "um".')] = None
    profanity_filter: Annotated[
        Profanity | None, typer.Option("--profanity", help="What is done with swear words.", rich_help_panel=_PANEL)
    ] = None
    output_locale: Annotated[
        str | None,
        typer.Option("--locale", metavar="CODE", help="The spelling, like en-GB.", rich_help_panel=_PANEL),
    ] = None
    volume_threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            metavar="VOLUME",
            help="Leave out words that were said more quietly.",
            show_default="0, none",
            rich_help_panel=_PANEL,
        ),
    ] = None
    replacements: Annotated[
        list[str] | None,
        _repeated("--replace", "FROM=TO", "Write TO for FROM, words or /regular expression/; may be repeated."),
    ] = None

    def as_job_options(self) -> dict[str, Any]:
        """Raises typer.BadParameter."""
        replacements = {"replacements": _pairs(self.replacements)} if self.replacements else {}
        return given_options(self) | replacements


def _pairs(written: Sequence[str]) -> dict[str, str]:
    """The last `=` is what divides: a regular expression may have some of its own, a text hardly."""
    pairs = {}
    for one in written:
        before, divides, after = one.rpartition("=")
        if not divides or not before:
            message = f"{one!r} is not like FROM=TO"
            raise typer.BadParameter(message, param_hint="--replace")
        pairs[before] = after
    return pairs
