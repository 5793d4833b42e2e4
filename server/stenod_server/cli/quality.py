"""`stenod eval`: word error rate on recordings whose text is known, and whether it drifts."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, fail, run
from stenod_server.cli.listing import Form, ListFormat, show_fields, show_json, show_table
from stenod_server.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    import stenod
    from stenod_server.cli.golden import Scored

DEFAULT_MAX_DRIFT: Final = 0.01


@with_option_groups
def evaluate(
    golden: Annotated[
        Path,
        typer.Option(
            "--golden", metavar="FILE", help='Lines of JSON: {"audio": path or address, "text": …, "language": …}.'
        ),
    ],
    model: Annotated[str, typer.Option("--model", help="The model (default: the server's).")] = "",
    parallel: Annotated[int, typer.Option("--parallel", min=1, metavar="N", help="Recordings at a time.")] = 4,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="An earlier result; exit status 1 when this one is worse."),
    ] = None,
    max_drift: Annotated[
        float,
        typer.Option(
            "--max-drift", min=0, metavar="D", help="How much worse it may be: 0.01 is one word in a hundred."
        ),
    ] = DEFAULT_MAX_DRIFT,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Keep this result: the baseline of later ones."),
    ] = None,
    push: Annotated[str, typer.Option("--push", metavar="URL", help="The Pushgateway that gets the metrics.")] = "",
    metrics_file: Annotated[
        Path | None,
        typer.Option(
            "--metrics-file", metavar="FILE", help="Where to write the metrics for node_exporter (…/name.prom)."
        ),
    ] = None,
    form: Form = ListFormat.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Transcribe a golden set and compare: word error rate, drift from a baseline, metrics.

    Exit status 1 where a recording fails, or the rate is worse than the baseline's by more than --max-drift.
    """
    from stenod_server.cli import golden as sets

    try:
        recordings = sets.read_golden(golden)
        before = sets.read_result(baseline) if baseline else None
    except (OSError, ValueError) as error:
        fail(str(error))

    async def work(client: "stenod.Client") -> int:
        began_s = time.monotonic()
        scored = await sets.score_all(client, recordings, model=model, parallel=parallel)
        result = sets.summed_up(golden.stem, scored, took_s=time.monotonic() - began_s, end_s=time.time())
        _show(result, scored, before, form)
        try:
            if output:
                output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
            if push or metrics_file:
                registry = sets.metrics_of(result, before, max_drift=max_drift)
                sets.publish(registry, golden.stem, push=push, metrics_file=metrics_file)
        except OSError as error:
            fail(f"the result cannot be published: {error}")
        return _status(result, before, max_drift)

    run(server, work)


def _status(result: dict[str, Any], before: dict[str, Any] | None, max_drift: float) -> int:
    if result["failed"]:
        typer.echo(f"stenod: {result['failed']} of {result['recordings']} recordings failed", err=True)
        return 1
    # A hair's breadth for rounding: 0.06 - 0.05 is more than 0.01.
    if before is not None and (drift := result["wer"] - before["wer"]) > max_drift + 1e-9:
        typer.echo(
            f"stenod: worse than the baseline by {100 * drift:.2f} points; {100 * max_drift:.2f} are allowed", err=True
        )
        return 1
    return 0


def _show(result: dict[str, Any], scored: "list[Scored]", before: dict[str, Any] | None, form: ListFormat) -> None:
    if form is ListFormat.JSON:
        details = [one.as_json() for one in scored]
        show_json({**result, "baseline": before, "details": details})
        return
    show_table([one.as_row() for one in scored], ["recording", "words", "errors", "wer", "reason"])
    typer.echo()
    fields = {
        "word error rate": f"{100 * result['wer']:.2f} %",
        "baseline": f"{100 * before['wer']:.2f} %" if before else None,
        "recordings": f"{result['recordings']}, {result['failed']} failed",
        "words": result["words"],
        "model": result["model"],
        "speed": f"{result['audio_s'] / result['took_s']:.1f} times real time",
    }
    show_fields(fields)
