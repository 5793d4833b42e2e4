"""Words without marks, or with some of them only."""

from dataclasses import replace

from stenod_server.domain.transcript import Word
from stenod_server.text.punctuation import without_marks


def without(word: Word) -> Word | None:
    """Without the marks around it; what is nothing but marks goes."""
    text = without_marks(word.text)
    return replace(word, text=text) if text else None


def only(word: Word, *, permitted: frozenset[str]) -> Word | None:
    """With those of the marks around it that are permitted."""
    core = without_marks(word.text)
    lead, _, trail = word.text.partition(core) if core else ("", "", word.text)
    text = _kept(lead, permitted) + core + _kept(trail, permitted)
    return replace(word, text=text) if text else None


def _kept(marks: str, permitted: frozenset[str]) -> str:
    return "".join(mark for mark in marks if mark in permitted)
