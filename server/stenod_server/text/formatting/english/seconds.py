"""What `second` is behind a number: the last of an ordinal, or a unit of time. Where that is not clear, neither."""

from typing import Final

from stenod_server.text.formatting.english.dates import is_counted
from stenod_server.text.formatting.english.line import Line
from stenod_server.text.formatting.english.vocabulary import MONTHS, ORDINAL_UNITS, ORDINALS, POSSESSIVES

_BEFORE_LENGTHS: Final = frozenset({"a", "an", "another", "every", "each", "per", "this", "these", "those"})
# What is told apart by its place far more often than by its length.
_IN_A_ROW: Final = frozenset(
    {
        *("street", "avenue", "floor", "birthday", "anniversary", "century", "edition", "congress", "amendment"),
        *("infantry", "regiment", "division", "battalion", "parallel", "president", "place", "week", "day", "year"),
        *("minute", "birthdays", "floors", "streets", "note", "notes"),
    }
)
# Words that are no nouns which it could be counted with.
_NO_NOUNS: Final = frozenset(
    {
        *("of", "and", "or", "in", "on", "at", "to", "for", "from", "with", "by", "but", "as", "than", "out", "after"),
        *("before", "when", "while", "because", "if", "that", "who", "which", "was", "is", "were", "are", "overall"),
    }
)


def is_ordinal(line: Line, at: int, end: int) -> bool:
    """Whether the number from `at`, which ends in `second` before `end`, is a place in a row."""
    before, noun = line.text(at - 1), _noun(line, end)
    if not noun:
        return before not in _BEFORE_LENGTHS
    if noun in _IN_A_ROW or (line.atoms[end].is_capital and before not in _BEFORE_LENGTHS):
        return True
    is_second_of_two = before in {"and", "or"} and line.text(at - 2) in ORDINAL_UNITS.keys() | ORDINALS.keys()
    return (is_second_of_two or _is_determiner(before)) and not is_counted(noun)


def is_unit(line: Line, at: int, second: int) -> bool:
    """Whether the `second` there, behind a number from `at`, is one of time: `a thirty second break`."""
    before, noun = line.text(at - 1), _noun(line, second + 1)
    if line.text(second) != "second" or not noun or is_ordinal(line, at, second + 1):
        return False
    return before in _BEFORE_LENGTHS or (is_counted(noun) and not noun.endswith("ss") and not _is_determiner(before))


def _is_determiner(text: str) -> bool:
    return text in POSSESSIVES | MONTHS | {"the"} or text.endswith(("'s", "’s", "s'"))  # noqa: RUF001


def _noun(line: Line, at: int) -> str:
    text = line.text(at)
    return text if text[:1].isalpha() and text not in _NO_NOUNS else ""
