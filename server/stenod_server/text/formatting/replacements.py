r"""Texts that the caller wants written in another way: whole words in any case, or `/regular expressions/`.

Regular expressions are RE2's: their time is linear in the text, whatever is asked. They see a segment's words joined by
blanks, so that a match is of one segment; `\1` in the replacement is what the first group matched.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Final, Protocol, TypeAlias

import re2

from stenod_server.domain.formatting import Replacement
from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.marks import affixes
from stenod_server.text.formatting.piece import Piece, spread
from stenod_server.text.formatting.removal import removed

_GONE: Final = "gone"  # the kind of what is to be left out
MOST_WRITTEN_CHARACTERS: Final = 20_000  # into one segment; the longest that is spoken has some hundred
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


class _Line:
    """A segment's words as they are now. `forms` are what a word may be found by."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.texts = [word.text for piece in pieces for word in piece.words]
        self.text = " ".join(self.texts)
        self.starts = [0, *accumulate(len(text) + 1 for text in self.texts)]
        self.forms = {form.casefold() for text in self.texts for form in _forms(text)}


Finder: TypeAlias = Callable[[_Line], list[Found]]


def finder(asked: Replacement) -> Finder:
    """Raises ValueError for a regular expression, or a replacement of one, that is none."""
    if not asked.expression:
        return partial(_find_words, [part.casefold() for part in asked.pattern.split()], asked.replacement)
    if "C" in re.findall(r"\\(.)", asked.expression):
        raise ValueError("\\C may match half a character")
    try:
        expression = re2.compile(asked.expression, _options())
        expression.search("")  # what is too large fails now
        groups = expression.groups
    except re2.error as error:
        raise ValueError(_said(error)) from error
    _check_groups(asked.replacement, groups)
    return partial(_find_expression, expression.finditer, asked.replacement)


class Replacements:
    """Makes them one after the other: each sees what the ones before it have written. Raises ValueError as `finder`.

    What they write into one segment is bounded, for one that makes two letters of every letter is soon too much for any
    memory; `is_cut_short` tells that some were therefore not made.
    """

    def __init__(self, asked: Iterable[Replacement]) -> None:
        self._finders = [finder(one) for one in asked]
        self.is_cut_short = False

    def __call__(self, pieces: Sequence[Piece]) -> list[Piece]:
        given, left = list(pieces), MOST_WRITTEN_CHARACTERS
        line = _Line(given)
        for find in self._finders:
            found = find(line)
            left -= sum(len(one.text) + 1 for one in found)
            if left < 0:
                self.is_cut_short = True
                break
            if found:
                given = _written(given, found)
                line = _Line(given)
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


def _forms(text: str) -> tuple[str, str, str]:
    lead, core, _ = affixes(text)
    return text, text[len(lead) :], core


def _find_words(parts: Sequence[str], replacement: str, line: _Line) -> list[Found]:
    found: list[Found] = []
    at = 0 if parts[0] in line.forms else len(line.texts)  # a thousand replacements are few that are found
    while at + len(parts) <= len(line.texts):
        text = _match(line.texts[at : at + len(parts)], parts, replacement)
        if text is not None:
            found.append(Found(at, at + len(parts), text, goes=not replacement.strip()))
        at += len(parts) if text is not None else 1
    return found


def _match(texts: list[str], parts: Sequence[str], replacement: str) -> str | None:
    """The replacement with the marks around these words; None where they are others."""
    if [text.casefold() for text in texts] == list(parts):
        return replacement
    lead, trail = affixes(texts[0])[0], affixes(texts[-1])[2]
    texts[0] = texts[0][len(lead) :]
    texts[-1] = texts[-1].removesuffix(trail)
    return lead + replacement + trail if [text.casefold() for text in texts] == list(parts) else None


def _find_expression(finditer: Callable[[str], Iterable[_Match]], replacement: str, line: _Line) -> list[Found]:
    found: list[Found] = []
    written = 0
    for match in finditer(line.text):
        start, end = match.span()
        if start < end and written <= MOST_WRITTEN_CHARACTERS:
            text = match.expand(replacement)
            written += len(text) + 1
            _add(found, line, (start, end, text))
    return [replace(one, goes=not replacement.strip() and not any(map(str.isalnum, one.text))) for one in found]


def _add(found: list[Found], line: _Line, match: tuple[int, int, str]) -> None:
    """Widen a match to whole words, and join it to the one before where that is in the same word. The blank behind a
    word is the word's; where it is matched, the next word is joined to this one.
    """
    (start, end, written), starts = match, line.starts
    first = bisect_right(starts, start) - 1
    last = min(bisect_right(starts, end) - 1, len(line.texts) - 1)
    behind = line.text[end : starts[last + 1] - 1]
    if found and found[-1].end > first:
        before = found.pop()
        kept = before.text[: len(before.text) - (starts[before.end] - 1 - start)]
        found.append(Found(before.first, last + 1, kept + written + behind))
    else:
        found.append(Found(first, last + 1, line.text[starts[first] : start] + written + behind))


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
