"""`stenod transcribe`: files in, transcripts out."""

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, reaches_server, run
from stenod_server.cli.output_name import STANDARD_INPUT, output_stem
from stenod_server.cli.vocabulary import Vocabulary, read_vocabulary
from stenod_server.text.render import TranscriptFormat

if TYPE_CHECKING:
    import stenod

_WAITING_FILES = 4
_BUSY_S = 3600.0  # a batch waits its turn; a server that has had no room for an hour will not have any


class Diarization(StrEnum):
    """Ways to find out who said what."""

    NONE = "none"
    CHANNEL = "channel"
    SPEAKER = "speaker"


class TaskName(StrEnum):
    """What is done with the speech."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@reaches_server
def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="Recordings: paths, addresses that the server fetches, or - for standard input.",
            show_default=False,
        ),
    ],
    server: Server = DEFAULT_SERVER,
    form: Annotated[TranscriptFormat, typer.Option("--format", help="How the transcript is written.")] = (
        TranscriptFormat.TXT
    ),
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output-dir",
            metavar="DIR",
            file_okay=False,
            help="Write <stem>.<format> there instead of to standard output.",
        ),
    ] = None,
    parallel_engines: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Engines reserved for each file.")
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="BCP-47 code, or auto.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A recogniser of the server.")] = None,
    diarization: Annotated[Diarization | None, typer.Option(help="Who said what.")] = None,
    task: Annotated[
        TaskName | None, typer.Option(help="translate writes in English what is said; not every model can.")
    ] = None,
    vocabulary: Vocabulary = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="A text that might have been said before, for its names and style; Whisper alone."
        ),
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Hypotheses kept at each step: better and slower.", show_default="1, greedy"
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Files that are on their way at once.", show_default="a few more than engines"
        ),
    ] = None,
) -> None:
    """Transcribe recordings with a running server.

    Transcripts go to standard output in the order of the files, everything else to standard error. A file that fails
    does not stop the others; the exit status is 1 if any failed.
    """
    given = {
        "parallel_engines": parallel_engines,
        "language": language,
        "model": model,
        "diarization": diarization.value if diarization else None,
        "task": task.value if task else None,
        "vocabulary": read_vocabulary(vocabulary) if vocabulary else None,
        "prompt": prompt,
        "beam_size": beam_size,
    }
    options = {name: value for name, value in given.items() if value is not None}
    _check(files, form, output_dir)

    async def work(client: "stenod.Client") -> int:
        from stenod_server.cli.batch import Batch, BatchPlan
        from stenod_server.cli.progress import BatchDisplay

        # Enough to keep every engine busy while results are fetched, and not so many that the queue is ours alone.
        at_once = concurrency or (await client.capacity()).max_engines + _WAITING_FILES
        plan = BatchPlan(form, output_dir, at_once, _as_job_options(options), server)
        return 1 if await Batch(client, plan, BatchDisplay(len(files))).run(files) else 0

    run(server, work, busy_s=_BUSY_S)


def _check(files: list[str], form: TranscriptFormat, output_dir: Path | None) -> None:
    """What can only be a mistake is refused before anything is sent."""
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        message = f"{twice[0]} is given twice"
        raise typer.BadParameter(message)
    if STANDARD_INPUT in files and sys.stdin.isatty():
        message = "standard input is a terminal: nothing is piped in"
        raise typer.BadParameter(message)
    if output_dir:
        same = [stem for stem, count in Counter(map(output_stem, files)).items() if count > 1]
        if same:
            message = f"several files would be written to {output_dir / same[0]}.{form}"
            raise typer.BadParameter(message)


def _as_job_options(options: dict[str, Any]) -> "stenod.JobOptions":
    # Typer checked each value; the keys are those of JobOptions.
    return options  # type: ignore[return-value]
