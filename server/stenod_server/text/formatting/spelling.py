"""The spelling of a country: English ones, by VARCON (`data/spellings.tsv`, made by scripts/spellings).

Words whose spelling depends on their meaning stay as they are, and so do capitals inside a sentence: Pearl Harbor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.piece import Piece
from stenod_server.text.punctuation import affixes, ends_sentence

_COLUMNS: Final = ("en-US", "en-GB", "en-CA", "en-AU")
LOCALES: Final[Mapping[str, Sequence[str]]] = {"en": _COLUMNS}


@cache
def spellings(locale: str) -> Mapping[str, str]:
    """Of one of LOCALES: each other spelling → its own. Reads 180 kB."""
    path = resources.files(__package__) / "data" / "spellings.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    own = _COLUMNS.index(locale)
    preferred = {row[own] for row in rows}
    return {word: row[own] for row in rows for word in row if word not in preferred}


def spelled(pieces: Sequence[Piece], *, spellings: Mapping[str, str]) -> list[Piece]:
    """What is an entity keeps its words."""
    given: list[Piece] = []
    before = ""
    for piece in pieces:
        is_word = not piece.kind
        begins_sentence = not before or ends_sentence(before, piece.words[0].text)
        given.append(
            replace(piece, words=(_spelled(piece.words[0], spellings, begins_sentence),)) if is_word else piece
        )
        before = piece.words[-1].text
    return given


def _spelled(word: Word, spellings: Mapping[str, str], begins_sentence: bool) -> Word:  # noqa: FBT001  a fact of the word
    lead, core, trail = affixes(word.text)
    if core[:1].isupper() and not begins_sentence and not core.isupper():
        return word  # a name
    parts = [_part(part, spellings) for part in core.split("-")]
    text = lead + "-".join(parts) + trail
    return word if text == word.text else replace(word, text=text)


def _part(part: str, spellings: Mapping[str, str]) -> str:
    bare = part.removesuffix("'s")
    found = spellings.get(bare.lower())
    if not found:
        return part
    if bare.isupper() and len(bare) > 1:
        found = found.upper()
    elif bare[:1].isupper():
        found = found.capitalize()
    return found + part[len(bare) :]
