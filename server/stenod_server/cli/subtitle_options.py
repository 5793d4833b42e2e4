"""The options that shape srt and vtt."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from stenod_server.cli.option_groups import given_options

_PANEL = "Subtitles"


def _shape(metavar: str, help_text: str, default: str) -> Any:
    return typer.Option(metavar=metavar, help=help_text, show_default=default, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleShapeOptions:
    """How subtitles look. The fields have the names that the client has for them; the server checks their ranges."""

    max_line_length: Annotated[int | None, _shape("N", "The longest line, in characters.", "37")] = None
    max_lines: Annotated[int | None, _shape("N", "The most lines of a cue.", "2")] = None
    max_characters_per_second: Annotated[
        float | None, _shape("N", "The fastest reading that a cue asks for.", "20")
    ] = None
    min_gap_s: Annotated[
        float | None,
        typer.Option(
            "--min-gap",
            metavar="SECONDS",
            help="The shortest time between two cues.",
            show_default="0.08",
            rich_help_panel=_PANEL,
        ),
    ] = None
    speaker_names: Annotated[
        bool | None,
        typer.Option(
            "--speaker-names/--no-speaker-names", help="Say who speaks, where it is known.", rich_help_panel=_PANEL
        ),
    ] = None

    def as_job_options(self) -> dict[str, Any]:
        shape = given_options(self)
        return {"subtitles": shape} if shape else {}
