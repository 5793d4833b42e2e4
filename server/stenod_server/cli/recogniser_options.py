"""The options that say what is asked of the recogniser."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from stenod_server.cli.option_groups import given_options
from stenod_server.cli.vocabulary import Vocabulary, read_vocabulary


class TaskName(StrEnum):
    """What is done with the speech."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserOptions:
    """The fields have the names that the client has for them."""

    parallel_engines: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Engines reserved for each file.")
    ] = None
    language: Annotated[str | None, typer.Option(metavar="CODE", help="BCP-47 code, or auto.")] = None
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A recogniser of the server.")] = None
    task: Annotated[
        TaskName | None, typer.Option(help="translate writes in English what is said; not every model can.")
    ] = None
    vocabulary: Vocabulary = None
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="A text that might have been said before, for its names and style; Whisper alone."
        ),
    ] = None
    beam_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Hypotheses kept at each step: better and slower.", show_default="1, greedy"
        ),
    ] = None

    def as_job_options(self) -> dict[str, Any]:
        """Raises typer.BadParameter."""
        vocabulary = {"vocabulary": read_vocabulary(self.vocabulary)} if self.vocabulary else {}
        return given_options(self) | vocabulary
