"""The marks around a word, and words with none of them or with some."""

from dataclasses import replace

from stenod_server.domain.transcript import Word
from stenod_server.text.punctuation import split_marks, without_marks


def affixes(text: str) -> tuple[str, str, str]:
    """The marks before a word, the word, and the marks behind it. What is nothing but marks has no word."""
    core = without_marks(text)
    if not core:
        return text, "", ""
    lead, _, trail = text.partition(core)
    return lead, core, trail


def without(word: Word) -> Word | None:
    """Without the marks around it; what is nothing but marks goes."""
    text = without_marks(word.text)
    return replace(word, text=text) if text else None


def only(word: Word, *, permitted: frozenset[str]) -> Word | None:
    """With those of the marks around it that are permitted. The point of an abbreviation is no mark."""
    lead, core, _ = affixes(word.text)
    abbreviation, trail = split_marks(word.text[len(lead) :]) if core else ("", "")
    text = _kept(lead, permitted) + abbreviation + _kept(trail, permitted)
    return replace(word, text=text) if text else None


def _kept(marks: str, permitted: frozenset[str]) -> str:
    return "".join(mark for mark in marks if mark in permitted)
