r"""Texts that the caller wants written in another way: whole words in any case, or `/regular expressions/`.

Regular expressions are RE2's: their time is linear in the text, whatever is asked. They see a segment's words joined by
blanks, so that a match is of one segment; `\1` in the replacement is what the first group matched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

import re2

from stenod_server.domain.formatting import Replacement
from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.marks import affixes
from stenod_server.text.formatting.piece import Piece, spread
from stenod_server.text.formatting.removal import removed

_GONE: Final = "gone"  # the kind of what is to be left out
_MOST_BYTES: Final = 256 * 1024  # of one regular expression, compiled: there may be a thousand


class _Match(Protocol):
    def span(self) -> tuple[int, int]: ...
    def expand(self, template: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """Words from `first` up to `end` that are to be written as `text`; they go where no word is."""

    first: int
    end: int
    text: str
    goes: bool = False


Finder: TypeAlias = Callable[[Sequence[Word]], list[Found]]


def finder(asked: Replacement) -> Finder:
    """Raises ValueError for a regular expression, or a replacement of one, that is none."""
    if not asked.expression:
        return _finder_of_words([part.casefold() for part in asked.pattern.split()], asked.replacement)
    try:
        expression = re2.compile(asked.expression, _options())
        expression.search("")  # what is too large fails now
        groups = expression.groups
    except re2.error as error:
        raise ValueError(_said(error)) from error
    _check_groups(asked.replacement, groups)
    return lambda words: _find(words, expression.finditer, asked.replacement)


def replaced(pieces: Sequence[Piece], *, finders: Sequence[Finder]) -> list[Piece]:
    """Each replacement sees what the ones before it have written."""
    given = list(pieces)
    for find in finders:
        found = find([word for piece in given for word in piece.words])
        if found:
            given = _written(given, found)
    return given


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MOST_BYTES
    options.log_errors = False
    return options


def _said(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _check_groups(replacement: str, groups: int) -> None:
    last = ""
    for character in replacement:
        if last == "\\" and character.isdigit() and int(character) > groups:
            raise ValueError(f"\\{character} in the replacement is no group of it")
        last = "" if last == "\\" else character


def _finder_of_words(parts: Sequence[str], replacement: str) -> Finder:
    def find(words: Sequence[Word]) -> list[Found]:
        found, at = [], 0
        while at + len(parts) <= len(words):
            text = _match(words[at : at + len(parts)], parts, replacement)
            if text is not None:
                found.append(Found(at, at + len(parts), text, goes=not replacement.strip()))
            at += len(parts) if text is not None else 1
        return found

    return find


def _match(words: Sequence[Word], parts: Sequence[str], replacement: str) -> str | None:
    """The replacement with the marks around these words; None where they are others."""
    texts = [word.text for word in words]
    if [text.casefold() for text in texts] == list(parts):
        return replacement
    lead, trail = affixes(texts[0])[0], affixes(texts[-1])[2]
    texts[0] = texts[0][len(lead) :]
    texts[-1] = texts[-1].removesuffix(trail)
    return lead + replacement + trail if [text.casefold() for text in texts] == list(parts) else None


def _find(words: Sequence[Word], finditer: Callable[[str], Sequence[_Match]], replacement: str) -> list[Found]:
    text = " ".join(word.text for word in words)
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word.text) + 1)
    found: list[Found] = []
    for match in finditer(text):
        start, end = match.span()
        if start < end:
            _add(found, text, starts, (start, end, match.expand(replacement)))
    return [replace(one, goes=not replacement.strip() and not any(map(str.isalnum, one.text))) for one in found]


def _add(found: list[Found], text: str, starts: Sequence[int], match: tuple[int, int, str]) -> None:
    """Widen a match to whole words, and join it to the one before where that is in the same word."""
    start, end, written = match
    first = max(index for index, at in enumerate(starts[:-1]) if at <= start)
    last = max(index for index, at in enumerate(starts[:-1]) if at < end)
    behind = text[end : starts[last + 1] - 1]
    if found and found[-1].end > first:
        before = found.pop()
        shared = starts[before.end] - 1 - start
        found.append(Found(before.first, last + 1, before.text[: len(before.text) - shared] + written + behind))
    else:
        found.append(Found(first, last + 1, text[starts[first] : start] + written + behind))


def _written(pieces: Sequence[Piece], found: Sequence[Found]) -> list[Piece]:
    """With the found words written anew. An entity stays one where only its own words are."""
    given = list(pieces)
    for one in reversed(found):
        first, start = _piece_at(given, one.first)
        last, _ = _piece_at(given, one.end - 1)
        words = [word for piece in given[first : last + 1] for word in piece.words]
        inside = slice(one.first - start, one.end - start)
        before, after = words[: inside.start], words[inside.stop :]
        if one.goes:
            new = [*_alone(before), Piece(tuple(words[inside]), kind=_GONE), *_alone(after)]
        elif first == last and given[first].kind:
            new = [replace(given[first], words=(*before, *spread(words[inside], one.text.split()), *after))]
        else:
            new = _alone([*before, *spread(words[inside], one.text.split()), *after])
        given[first : last + 1] = new
    return removed(given, lambda piece: piece.kind == _GONE)


def _piece_at(pieces: Sequence[Piece], word: int) -> tuple[int, int]:
    """The piece that holds this word, and the word it begins with."""
    start = 0
    for index, piece in enumerate(pieces):
        if word < start + len(piece.words):
            return index, start
        start += len(piece.words)
    raise IndexError(word)


def _alone(words: Sequence[Word]) -> list[Piece]:
    return [Piece((word,)) for word in words]
