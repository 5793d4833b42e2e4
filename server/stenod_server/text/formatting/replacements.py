"""Texts that the caller wants written in another way: whole words in any case, or `/regular expressions/`."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import Final

from stenod_server.domain.formatting import Replacement
from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.finders import MOST_WRITTEN_CHARACTERS, Found, Line, finder
from stenod_server.text.formatting.piece import Piece, spread
from stenod_server.text.formatting.removal import removed

_GONE: Final = "gone"  # the kind of what is to be left out
# A step is what RE2 takes at worst for an instruction on a character, some nanoseconds, so that a segment takes about a
# tenth of a second at most. To write it anew is counted so that one of 400 characters is written anew a hundred times.
MOST_STEPS: Final = 20_000_000
_STEPS_OF_WRITING: Final = 500


class Replacements:
    """Makes them one after the other: each sees what the ones before it have written. Raises ValueError as `finder`.

    What they write into one segment is bounded, for one that makes two letters of every letter is soon too much for any
    memory; and so is their work. `is_cut_short` tells that some were therefore not made.
    """

    def __init__(self, asked: Iterable[Replacement]) -> None:
        self._finders = [finder(one) for one in asked]
        self._by_form: defaultdict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self._finders):
            self._by_form[one.first_form].append(number)
        self.is_cut_short = False

    def __call__(self, pieces: Sequence[Piece]) -> list[Piece]:
        given, characters, steps = list(pieces), MOST_WRITTEN_CHARACTERS, MOST_STEPS
        line = _line(given)
        due = self._due(line, 0)
        while due:
            number = due.pop()
            one = self._finders[number]
            steps -= one.steps(line)
            found = one.find(line) if steps >= 0 else []
            characters -= sum(len(place.text) + 1 for place in found)
            steps -= _STEPS_OF_WRITING * len(line.text) if found else 0
            if characters < 0 or steps < 0:
                self.is_cut_short = True
                break
            if found:
                given = _written(given, found)
                line = _line(given)
                due = self._due(line, number + 1)
        return given

    def _due(self, line: Line, least: int) -> list[int]:
        """Those from `least` on that may find something, the last first: a thousand are few that do."""
        numbers = (self._by_form[form] for form in ("", *(self._by_form.keys() & line.places.keys())))
        return sorted(chain(*(some[bisect_left(some, least) :] for some in numbers)), reverse=True)


def _line(pieces: Sequence[Piece]) -> Line:
    return Line([word.text for piece in pieces for word in piece.words])


def _written(pieces: Sequence[Piece], found: Sequence[Found]) -> list[Piece]:
    """With the found words written anew. An entity stays one where only its own words are."""
    words = [word for piece in pieces for word in piece.words]
    owners = [number for number, piece in enumerate(pieces) for _ in piece.words]
    anew = [[Piece((word,))] for word in words]
    loose: set[int] = set()
    for one in found:
        if one.goes or owners[one.first] != owners[one.end - 1]:
            loose.update(owners[one.first : one.end])
        anew[one.first : one.end] = [_anew(words, one), *([] for _ in range(one.first + 1, one.end))]
    written: list[Piece] = []
    for number, places in groupby(range(len(words)), owners.__getitem__):
        inside = [piece for place in places for piece in anew[place]]
        if pieces[number].kind and number not in loose:
            inside = [replace(pieces[number], words=tuple(word for piece in inside for word in piece.words))]
        written += inside
    return removed(written, lambda piece: piece.kind == _GONE)


def _anew(words: Sequence[Word], one: Found) -> list[Piece]:
    before = words[one.first : one.end]
    if one.goes:
        return [Piece(tuple(before), kind=_GONE)]
    until = words[one.end].start_samples if one.end < len(words) else None
    return [Piece((word,)) for word in spread(before, one.text.split(), until_samples=until)]
