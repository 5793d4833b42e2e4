"""`stenod models set-language-model` and its opposite: an n-gram model of the operator's own for a recogniser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import fail
from stenod_server.cli.models import DEFAULT_DATA_DIR, DataDir, ModelsDir, models_path

if TYPE_CHECKING:
    from stenod_server.settings import Settings

Name = Annotated[str, typer.Argument(metavar="NAME", help="A recogniser on this machine.", show_default=False)]


def set_language_model(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ARPA model, gzipped or not.", show_default=False)],
    weight: Annotated[float, typer.Option("--weight", min=0, help="Of its natural log-probabilities.")] = 0.5,
    word_bonus: Annotated[float, typer.Option("--word-bonus", help="Added for each word.")] = 0.0,
    beam_size: Annotated[
        int, typer.Option("--beam-size", min=2, help="Of the search, where a job asks for no more.")
    ] = 5,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    models_dir: ModelsDir = None,
) -> None:
    """Have a recogniser search with a language model from the next start of its server on."""
    use = {"weight": weight, "word_bonus": word_bonus, "beam_size": beam_size}
    if not _set(name, models_path(data_dir, models_dir), file, use):
        typer.echo(f"{name} has this language model")


def unset_language_model(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, models_dir: ModelsDir = None) -> None:
    """Have a recogniser search without a language model again."""
    builder, build_error = _builder()
    try:
        removed = builder.remove_language_model(name, models_path(data_dir, models_dir))
    except build_error as error:
        fail(str(error))
    if not removed:
        fail(f"{name} has no language model")


def set_those_of(settings: "Settings") -> None:
    """Give each recogniser that a server is about to load the language model that its settings name."""
    for name, chosen in settings.language_models_by_name.items():
        use = {"weight": chosen.weight, "word_bonus": chosen.word_bonus, "beam_size": chosen.beam_size}
        _set(name, settings.models_path, chosen.path, use)


def _set(name: str, models_dir: Path, file: Path, use: dict[str, Any]) -> bool:
    from stenod_server.cli.progress import phases

    builder, build_error = _builder()
    try:
        with phases(name) as show:
            path = file.expanduser().resolve()
            return bool(
                builder.set_language_model(name, models_dir, path, builder.LanguageModelUse(**use), progress=show)
            )
    except build_error as error:
        fail(str(error))


def _builder() -> tuple[Any, type[Exception]]:
    """What changes models is part of the extra `embedded`."""
    try:
        from stenod_models.export import language_models
        from stenod_models.export.errors import ModelBuildError
    except ModuleNotFoundError as error:
        fail(f"models are changed with the extra `embedded`: pip install 'stenod[embedded]' ({error.name} is missing)")
    return language_models, ModelBuildError
