"""The options that say who said what."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from stenod_server.cli.option_groups import given_options, ratio_option

_PANEL = "Speakers"


class Diarization(StrEnum):
    """Ways to find out who said what."""

    NONE = "none"
    CHANNEL = "channel"
    SPEAKER = "speaker"


def _count(help_text: str) -> Any:
    return typer.Option(min=1, metavar="N", help=help_text, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerOptions:
    """Who said what. But for `speakers`, the fields have the names that the client has for them."""

    diarization: Annotated[
        Diarization | None,
        typer.Option(
            help="Who said what: each channel on its own, or speakers told apart by their voices.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    channel_labels: Annotated[
        list[str] | None,
        typer.Option(
            "--channel-label",
            metavar="LABEL",
            help="What the next channel is called; may be repeated.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    speakers: Annotated[int | None, _count("How many speakers there are.")] = None
    min_speakers: Annotated[int | None, _count("The fewest speakers.")] = None
    max_speakers: Annotated[int | None, _count("The most speakers.")] = None
    speaker_sensitivity: Annotated[
        float | None, ratio_option("How readily a new speaker is assumed.", "0.5", _PANEL)
    ] = None
    prefer_current_speaker: Annotated[
        bool | None,
        typer.Option("--prefer-current-speaker", help="Smooth short changes of speaker away.", rich_help_panel=_PANEL),
    ] = None
    return_speaker_identifiers: Annotated[
        bool | None,
        typer.Option(
            "--return-speaker-identifiers",
            help="Give identifiers of the voices, in json and json-v2.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    known_speakers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help='Speakers that are known: a JSON object like {"Ann": ["IDENTIFIER"]}.',
            rich_help_panel=_PANEL,
        ),
    ] = None

    user_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Whose job it is: identifiers that were made for a user are known to jobs of the same one alone.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def as_job_options(self) -> dict[str, Any]:
        """Raises typer.BadParameter."""
        options = given_options(self)
        if count := options.pop("speakers", None):
            if self.min_speakers or self.max_speakers:
                message = "goes without --min-speakers and --max-speakers"
                raise typer.BadParameter(message, param_hint="--speakers")
            options |= {"min_speakers": count, "max_speakers": count}
        if self.known_speakers:
            options["known_speakers"] = _read_known(self.known_speakers)
        return options


def _read_known(path: Path) -> dict[str, list[str]]:
    try:
        known = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _wrong(f"{path} is no JSON that can be read: {error}") from error
    if not isinstance(known, dict) or not all(map(_are_texts, known.values())):
        raise _wrong(f'{path} is no object of lists of identifiers by label, like {{"Ann": ["IDENTIFIER"]}}')
    return known


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _wrong(problem: str) -> typer.BadParameter:
    return typer.BadParameter(problem, param_hint="--known-speakers")
