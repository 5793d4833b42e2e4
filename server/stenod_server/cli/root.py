"""The command tree."""

from typing import Annotated

import typer

from stenod_server.cli import (
    bench,
    capacity,
    health,
    ingest,
    jobs,
    keys,
    language_models,
    models,
    plan,
    quality,
    serve,
    transcribe,
)

app = typer.Typer(
    help="Batch speech-to-text on your own machines. Start with: stenod serve",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts in half the time, wraps to the terminal and can be piped
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("transcribe", no_args_is_help=True)(transcribe.transcribe)
app.command("ingest", no_args_is_help=True)(ingest.ingest)
app.add_typer(jobs.app, name="jobs")
app.command("capacity")(capacity.capacity)
app.command("health")(health.health)
models.app.command("set-language-model")(language_models.set_language_model)
models.app.command("unset-language-model")(language_models.unset_language_model)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.command("plan", no_args_is_help=True)(plan.plan)
app.command("eval", no_args_is_help=True)(quality.evaluate)
app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench.bench)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it with the flag's value
    if wanted:
        from importlib.metadata import version

        typer.echo(f"stenod {version('stenod')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """The options of `stenod` itself."""
