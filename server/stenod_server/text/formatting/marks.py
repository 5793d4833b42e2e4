"""Text without the marks around its words, or with some of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.piece import Piece, each_word
from stenod_server.text.punctuation import affixes, split_marks, without_marks

_OPENERS: Final = frozenset("'‘")  # noqa: RUF001  as recognisers write it
_CLOSERS: Final = frozenset("'’")  # noqa: RUF001


def without(pieces: Sequence[Piece]) -> list[Piece]:
    """Without the marks around words; what is nothing but marks goes."""
    return _written(pieces, lambda text, _: without_marks(text))


def only(pieces: Sequence[Piece], *, permitted: frozenset[str]) -> list[Piece]:
    """With those of the marks around words that are permitted. The point of an abbreviation is no mark."""

    def kept(text: str, following: str) -> str:
        lead, core, trail = affixes(text)
        own = split_marks(text, following)[0][len(lead + core) :] if core else ""
        return _kept(lead, permitted) + core + own + _kept(trail.removeprefix(own), permitted)

    return _written(pieces, kept)


def _written(pieces: Sequence[Piece], write: Callable[[str, str], str]) -> list[Piece]:
    """Each word as it is written in sight of the one that follows."""
    texts = _unquoted([word.text for piece in pieces for word in piece.words])
    anew = iter([write(text, following) for text, following in zip_longest(texts, texts[1:], fillvalue="")])

    def change(word: Word) -> Word | None:
        text = next(anew)
        return replace(word, text=text) if text else None

    return each_word(change)(pieces)


def _unquoted(texts: Sequence[str]) -> list[str]:
    """Without the single quotes that open a quotation of several words which one behind a mark closes: that one is a
    mark, while before a word it might be an apostrophe.
    """
    unquoted, opened = list(texts), -1
    for place, text in enumerate(texts):
        lead, core, trail = affixes(text)
        if core[:1] in _OPENERS:
            opened = place
        if opened >= 0 and _CLOSERS & set(trail) and not _OPENERS & set(lead):
            before, quoted, behind = affixes(texts[opened])
            unquoted[opened] = before + quoted[1:] + behind
            opened = -1
    return unquoted


def _kept(marks: str, permitted: frozenset[str]) -> str:
    return "".join(mark for mark in marks if mark in permitted)
