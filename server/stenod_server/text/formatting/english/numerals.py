"""The step that writes English numbers, amounts, dates, times and spelled letters as people write them.

The rules are tried in order at every word; the first that matches takes its words, and they become an entity. Prose
stays prose: numbers below ten are words unless they belong to an entity or a unit, and so are `one` as a pronoun,
`a hundred`, `second`, fractions up to tenths. What stands in digits already is left alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.english import amounts, dates, sequences, spans, times
from stenod_server.text.formatting.english.line import Atom, Line, Match, affixes
from stenod_server.text.formatting.piece import Piece, merged

Rule: TypeAlias = Callable[[Line, int], Match | None]
_RULES: Final[Sequence[Rule]] = (
    dates.date,
    spans.part,
    times.time,
    spans.span,
    amounts.money,
    amounts.percentage,
    sequences.digits,
    dates.year,
    amounts.fraction,
    amounts.place,
    amounts.number,
    sequences.letters,
)


def numerals(pieces: Sequence[Piece], *, locale: str) -> list[Piece]:
    """`locale` decides the order of dates, the sign of pounds and how halves of the day are written; may be empty."""
    words = [word for piece in pieces for word in piece.words]
    return list(_pieces(words, Line(words, locale)))


def _pieces(words: Sequence[Word], line: Line) -> Iterator[Piece]:
    at, floor, done = 0, 0, 0  # floor: behind the last entity; done: words that are given
    while at < len(line.atoms):
        match = None if line.goes_on(at, floor) else _match(line, at)
        if match and match.written:
            first, last = line.atoms[at].word, line.atoms[match.end - 1]
            yield from (Piece((word,)) for word in words[done:first])
            yield _entity(words[first : last.word + 1], line, at, match)
            floor, done = match.end, last.word + 1
        at = _next_word(line, match.end if match else at + 1)
    yield from (Piece((word,)) for word in words[done:])


def _match(line: Line, at: int) -> Match | None:
    atom = line.atoms[at]
    if not atom.starts:
        return None
    match = next(filter(None, (rule(line, at) for rule in _RULES)), None)
    return match if match is None or not match.written or _may_end(line.atoms[match.end - 1], match) else None


def _may_end(atom: Atom, match: Match) -> bool:
    return atom.ends or (len(match.written) == 1 and match.kind in {"cardinal", "ordinal", "money"})


def _next_word(line: Line, at: int) -> int:
    while at < len(line.atoms) and not line.atoms[at].starts:
        at += 1
    return at


def _entity(words: Sequence[Word], line: Line, at: int, match: Match) -> Piece:
    """The words that are written, each over what it stands for; marks around what was said are around it."""
    written = list(_timed(words, line, at, match))
    written[0] = replace(written[0], text=affixes(words[0].text)[0] + written[0].text)
    trail = _behind(words, line, match)
    last = written[-1]
    if last.text.endswith(".") and trail.startswith("."):
        trail = trail[1:]
    written[-1] = replace(last, text=last.text + trail)
    return Piece(tuple(written), match.kind, tuple(words))


def _behind(words: Sequence[Word], line: Line, match: Match) -> str:
    """The rest of a compound that the entity begins, and the marks behind its last word."""
    _, core, trail = affixes(words[-1].text)
    is_sentence_end = _is_letter(core) and not words[-2].text.endswith(".")
    return line.atoms[match.end - 1].rest + ("." if is_sentence_end else "") + trail


def _is_letter(core: str) -> bool:
    return len(core) == 2 and core.endswith(".")


def _timed(words: Sequence[Word], line: Line, at: int, match: Match) -> Iterator[Word]:
    start, first = at, words[0]
    offset = line.atoms[at].word
    for text, end in match.written:
        said = [words[i] for i in dict.fromkeys(atom.word - offset for atom in line.atoms[start:end])] or [first]
        yield merged(said, text)
        start = end
