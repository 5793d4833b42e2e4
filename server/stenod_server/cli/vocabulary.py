"""Reads the words to listen for of a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    import stenod

Vocabulary = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help='Words to listen for: a phrase on each line, or a JSON array of phrases and of objects like {"content": '
        '"Aoife", "sounds_like": ["eefa"], "boost": 3}.',
    ),
]
_KEYS: Final = frozenset({"content", "sounds_like", "boost"})


def read_vocabulary(path: Path) -> "list[str | stenod.VocabularyEntry]":
    """A file that begins with `[` is JSON; of any other each line that is not blank is a phrase.

    Raises typer.BadParameter.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{path} is no text that can be read: {error}") from error
    if not text.lstrip().startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise _wrong(f"{path} begins like JSON and is none: {error}") from error
    for place, entry in enumerate(entries):
        if not _is_entry(entry):
            keys = ", ".join(sorted(_KEYS))
            raise _wrong(f"{path}: entry {place} is neither a phrase nor an object of {keys}: {json.dumps(entry)}")
    return list(entries)


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return isinstance(entry, str)
    spellings, boost = entry.get("sounds_like", []), entry.get("boost", 1)
    return (
        set(entry) <= _KEYS
        and isinstance(entry.get("content"), str)
        and isinstance(spellings, list)
        and all(isinstance(spelling, str) for spelling in spellings)
        and isinstance(boost, int | float)
    )


def _wrong(problem: str) -> typer.BadParameter:
    return typer.BadParameter(problem, param_hint="--vocabulary")
