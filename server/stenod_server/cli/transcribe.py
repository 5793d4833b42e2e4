"""`stenod transcribe`: files in, transcripts out."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, run
from stenod_server.cli.one_shot_options import OneShotOptions
from stenod_server.cli.option_groups import with_option_groups
from stenod_server.cli.output_name import STANDARD_INPUT, output_stem
from stenod_server.cli.recogniser_options import RecogniserOptions
from stenod_server.cli.speaker_options import SpeakerOptions
from stenod_server.cli.subtitle_options import SubtitleShapeOptions
from stenod_server.cli.text_options import TextOptions
from stenod_server.text.render import TranscriptFormat

if TYPE_CHECKING:
    import stenod

_WAITING_FILES = 4
_BUSY_S = 3600.0  # a batch waits its turn; a server that has had no room for an hour will not have any


@with_option_groups
def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="Recordings: paths, addresses that the server fetches, or - for standard input.",
            show_default=False,
        ),
    ],
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
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Files that are on their way at once.", show_default="a few more than engines"
        ),
    ] = None,
    *,
    recogniser: RecogniserOptions,
    speakers: SpeakerOptions,
    text: TextOptions,
    subtitles: SubtitleShapeOptions,
    one_shot: OneShotOptions,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Transcribe recordings with a running server, or with one that lives for this command (--embedded).

    Transcripts go to standard output in the order of the files, everything else to standard error. A file that fails
    does not stop the others; the exit status is 1 if any failed.

    With --embedded no server is needed, and results go to --output: for AWS Batch, Kubernetes Jobs and the like. Exit
    status: 0 all are done, 1 some failed for good, 2 the command is wrong, 75 start it again, it goes on.
    """
    groups = (recogniser, speakers, text, subtitles)
    options = {name: value for group in groups for name, value in group.as_job_options().items()}
    _check(files, form, output_dir)
    if one_shot.embedded:
        from stenod_server.cli.embedded import run_embedded

        raise typer.Exit(run_embedded(files, form, options, one_shot))
    one_shot.check_unused()

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
