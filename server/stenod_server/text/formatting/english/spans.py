"""Ranges, shares of a whole, and parts of a number: `five to ten`, `one in ten`, `half a million`."""

import re
from typing import Final

from stenod_server.text.formatting.english import dates, times
from stenod_server.text.formatting.english.amounts import money, percentage, plain
from stenod_server.text.formatting.english.line import Line, Match
from stenod_server.text.formatting.english.numbers import Quantity, cardinal, quantity
from stenod_server.text.formatting.english.vocabulary import DETERMINERS, MEASURES, PARTS, SCALES, UNITS_OF_TIME

_FRACTION: Final = re.compile(r"\d+/\d+")
# Words behind which `one in ten` is a share, and no pronoun.
_BEFORE_SHARES: Final = frozenset(
    {
        *("a", "about", "around", "nearly", "almost", "roughly", "approximately", "over", "under", "than", "least"),
        *("most", "only", "just", "maybe", "perhaps", "say", "of", "to", "by", "with", "from", "as", "and", "but"),
        *("or", "is", "was", "be", "are", "were"),
    }
)
_TIME_WORDS: Final = frozenset({"at", "it's", "until", "till", "by", "around", "about", "is"})


def part(line: Line, at: int) -> Match | None:
    """`half a million dollars`, `a quarter of a million`: stays as it is said, with a range that begins with it."""
    whole = cardinal(line, at) if line.text(at) == "a" and _is_part(line, at) else None
    if not whole:
        return None
    behind = _connected(line, at, whole.end)
    high = quantity(line, behind, joined=False) if behind else None
    return Match(high.end if high else whole.end)


def span(line: Line, at: int) -> Match | None:
    """`five to ten`: both in digits, as one of them would be."""
    low = quantity(line, at, joined=False)
    behind = _connected(line, at, low.end) if low else 0
    if not low or not behind or line.text(behind) == "a" or _is_pronoun(line, at, line.text(low.end)):
        return None
    until = times.time(line, behind) if low.value in range(1, 13) else None
    if until:
        return _ranged(line, low, behind, until)
    high = quantity(line, behind, joined=False)
    if not high or not low.value < high.value:
        return None
    if _is_time(line, at, low, high) or _shares_scale(line, low, high):
        return Match(high.end)
    last = money(line, behind) or percentage(line, behind) or plain(line, high)
    if not last or (line.text(low.end) == "in" and not _is_share(line, at, high)):
        return None
    return _ranged(line, low, behind, last)


def _is_part(line: Line, at: int) -> bool:
    of_what = line.text(at - 2) if line.text(at - 1) == "of" else ""
    return line.text(at - 1) == "half" or of_what in PARTS or _FRACTION.fullmatch(of_what) is not None


def _is_pronoun(line: Line, at: int, joint: str) -> bool:
    """`no one or ten of them`, but not `the one to ten scale`."""
    before = line.text(at - 1)
    is_determined = before in DETERMINERS - {"a", "only"} and not (joint == "to" and before == "the")
    return line.phrase(at, "one") and is_determined


def _is_share(line: Line, at: int, high: Quantity) -> bool:
    """`about one in ten people`, but neither `I bought one in two thousand eight` nor `one in fifty years`."""
    before = line.text(at - 1)
    is_length = line.text(high.end) in UNITS_OF_TIME | MEASURES
    begins_clause = not before[-1:].isalnum()
    return (begins_clause or before in _BEFORE_SHARES) and not is_length and not dates.year(line, at + 2)


def _ranged(line: Line, low: Quantity, behind: int, last: Match) -> Match:
    """From `low` over the words before the atom `behind` to `last`, whose sign of a currency both have."""
    between = [(line.text(place), place + 1) for place in range(low.end, behind)]
    first = last.written[0][0][0]
    sign = first if last.kind == "money" and not first.isdigit() else ""
    scale = [(low.scale, low.end)] if low.scale else []
    return Match(last.end, "span", ((sign + low.digits, low.digits_end), *scale, *between, *last.written))


def _connected(line: Line, at: int, end: int) -> int:
    """Where the other end of a range begins; 0: there is none."""
    joint = line.text(end)
    if joint in {"to", "or"} or (joint == "and" and line.text(at - 1) == "between"):
        return end + 1
    if joint == "in" and line.phrase(at, "one"):
        return end + 1
    return end + 2 if line.phrase(end, "out", "of") else 0


def _is_time(line: Line, at: int, low: Quantity, high: Quantity) -> bool:
    """`ten to five` and, behind `at`, `five to ten`."""
    return (
        line.text(low.end) == "to"
        and low.value in {5, 10, 20, 25}
        and high.value <= 12
        and (line.text(at - 1) in _TIME_WORDS)
    )


def _shares_scale(line: Line, low: Quantity, high: Quantity) -> bool:
    """`three to four hundred`: it may be said of both, but not of `one in four hundred`."""
    is_range = line.text(low.end) not in {"in", "out"}
    return is_range and low.value < 100 <= high.value and line.text(high.end - 1) in {"hundred", *SCALES}
