"""Numbers in digits for other languages than English: cardinals, ordinals and decimals, by text2num.

Numbers below ten stay words, as in English, unless they stand in a row with others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from text_to_num import find_numbers

from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.piece import Piece, merged
from stenod_server.text.punctuation import affixes

LANGUAGES: Final = frozenset({"da", "de", "es", "fr", "it", "nl", "pt"})
KINDS: Final = frozenset({"cardinal", "decimal", "ordinal", "phone"})
LEAST_IN_DIGITS: Final = 10
_LEAST_OF_PHONE: Final = 5  # digits said one by one
_SCALES: Final = frozenset({10**6, 10**9, 10**12})
_HALVES: Final = frozenset(
    {
        *("halb", "halbe", "halbes", "halben", "anderthalb", "halve", "half", "halv", "halvt", "demi", "demie"),
        *("medio", "media", "mezzo", "mezza", "meio", "meia"),
    }
)
_ANDS: Final = frozenset({"y", "e", "et", "en", "und", "og"})
# `a million` is one number; text2num takes its article for a word.
_ARTICLES: Final = frozenset({"en", "et", "ein", "eine", "un", "une", "una", "uno", "um", "uma", "een", "één"})
# What is counted exactly, in all of these languages.
_COUNTED: Final = frozenset(
    {
        *("euro", "euros", "dollar", "dollars", "dólares", "dollari", "dólar", "francs", "franken", "pfund"),
        *("prozent", "procent", "kilometer", "kilomètres", "kilómetros", "quilômetros", "quilómetros", "chilometri"),
        *("meter", "mètres", "metros", "metri", "grad", "degrés", "grados", "gradi", "graus", "graden", "grader"),
        *("kilo", "kilos", "kilogramm", "chili", "quilos", "jahre", "jahren", "ans", "años", "anni", "anos", "jaar"),
    }
)


class _Number(Protocol):
    start: int
    end: int
    text: str
    value: float
    is_ordinal: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """A word as text2num reads it: marks stand between numbers."""

    core: str
    is_apart: bool

    def text(self) -> str:
        return self.core

    def nt_separated(self, _previous: "_Token") -> bool:
        return self.is_apart

    def not_a_number_part(self) -> bool:
        return any(map(str.isdigit, self.core))


def numerals(pieces: Sequence[Piece], *, language: str) -> list[Piece]:
    """`language`: one of LANGUAGES."""
    words = [word for piece in pieces for word in piece.words]
    tokens = _tokens(words)
    numbers = _without_nouns(find_numbers(tokens, language, threshold=0))
    return list(_pieces(words, _runs(tokens, numbers)))


def _tokens(words: Sequence[Word]) -> list[_Token]:
    tokens, is_apart = [], False
    for word in words:
        lead, core, trail = affixes(word.text)
        tokens.append(_Token(core.lower(), is_apart or bool(lead)))
        is_apart = bool(trail) or not core
    return tokens


def _pieces(words: Sequence[Word], runs: Sequence[Sequence[_Number]]) -> Iterator[Piece]:
    done = 0
    for run in runs:
        for start, end, kind, text in _written(words, run):
            yield from (Piece((word,)) for word in words[done:start])
            said = words[start:end]
            trail = affixes(said[-1].text)[2]
            whole = affixes(said[0].text)[0] + text + (trail[1:] if text.endswith(".") and trail[:1] == "." else trail)
            yield Piece((merged(said, whole),), kind, tuple(said))
            done = end
    yield from (Piece((word,)) for word in words[done:])


def _without_nouns(numbers: Sequence[_Number]) -> list[_Number]:
    """Without ordinals that a number counts, for those are none: `trinta segundos`, `vinte quartos`."""
    return [
        number
        for before, number in zip([None, *numbers], numbers, strict=False)
        if before is None or not number.is_ordinal or before.is_ordinal or before.end != number.start
    ]


def _runs(tokens: Sequence[_Token], numbers: Sequence[_Number]) -> list[list[_Number]]:
    """Numbers that follow each other at once."""
    runs: list[list[_Number]] = []
    for number in numbers:
        if runs and runs[-1][-1].end == number.start and not tokens[number.start].is_apart:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _written(words: Sequence[Word], run: Sequence[_Number]) -> list[tuple[int, int, str, str]]:
    if len(run) >= _LEAST_OF_PHONE and all(len(number.text) == 1 for number in run):
        return [(run[0].start, run[-1].end, "phone", "".join(number.text for number in run))]
    if _is_of_scale(words, run[0]) or _is_phrase(words, run) or not any(_is_large(number) for number in run):
        return []
    return [(number.start, number.end, _kind(number), number.text) for number in run]


def _is_large(number: _Number) -> bool:
    return number.value >= LEAST_IN_DIGITS or _kind(number) == "decimal" or number.text.startswith("0")


def _is_of_scale(words: Sequence[Word], number: _Number) -> bool:
    """`eine Million`, `zweieinhalb Millionen`, `dos millones y medio`: words say how many, so it stays prose."""
    if number.value < min(_SCALES):
        return False
    is_bare = number.end == number.start + 1 and number.value in _SCALES
    has_half = _bare(words, number.end) in _ANDS and _bare(words, number.end + 1) in _HALVES
    return is_bare or has_half or _bare(words, number.start - 1) in _ARTICLES


def _is_phrase(words: Sequence[Word], run: Sequence[_Number]) -> bool:
    """`mil gracias`, `tausend Dank`: `a hundred` and `a thousand` of these languages, where they count nothing; `ein
    halbes Hundert Euro`.
    """
    (first, *others) = run
    if others or first.end != first.start + 1 or first.value not in {100, 1000}:
        return False
    return _bare(words, first.end) not in _COUNTED or _bare(words, first.start - 1) in _HALVES


def _bare(words: Sequence[Word], place: int) -> str:
    return affixes(words[place].text)[1].lower() if 0 <= place < len(words) else ""


def _kind(number: _Number) -> str:
    if number.is_ordinal:
        return "ordinal"
    return "decimal" if number.value != int(number.value) else "cardinal"
