"""Numbers, and what they count: money, percentages, measures, fractions, places in a row."""

from typing import Final

from stenod_server.text.formatting.english import dates, seconds
from stenod_server.text.formatting.english.line import Line, Match
from stenod_server.text.formatting.english.numbers import Quantity, below_hundred, cardinal, ordinal, quantity, suffixed
from stenod_server.text.formatting.english.vocabulary import (
    CURRENCIES,
    DENOMINATORS,
    DETERMINERS,
    LABELS,
    MEASURES,
    NUMBER_WORDS,
    ORDINAL_UNITS,
    PERCENT,
    SMALL_CURRENCIES,
)

LEAST_IN_DIGITS: Final = 10  # smaller numbers are words in prose
# What makes a pronoun of the `one` behind `chapter`: read each chapter one by one.
_BEHIND_PRONOUNS: Final = (("more",), ("another",), ("by", "one"), ("at", "a", "time"), ("after", "another"))
_STERLING: Final = frozenset({"en-GB"})
_GOES_ON: Final = ORDINAL_UNITS.keys() | {"oh", "hundreds", "thousands", "hundredth", "thousandth", "millionth"}


def money(line: Line, at: int) -> Match | None:
    found = _number(line, at)
    if not found:
        return None
    if line.text(found.end) in SMALL_CURRENCIES:
        return Match(found.end, "money", found.words)
    sign = CURRENCIES.get(line.text(found.end), "")
    small = _small(line, found.end + 1, sign) if sign and found.digits.replace(",", "").isdigit() else None
    if small and not found.scale:
        return Match(small[1], "money", ((f"{sign}{found.digits}.{small[0]:02}", small[1]),))
    is_sterling = line.text(found.end + 1) == "sterling"
    if not sign or (sign == "£" and not is_sterling and line.locale not in _STERLING):
        return None  # pounds may be weights
    return _sum(found, sign, found.end + 1 + is_sterling)


def _sum(found: Quantity, sign: str, end: int) -> Match:
    if found.scale:
        return Match(end, "money", ((sign + found.digits, found.digits_end), (found.scale, end)))
    digits = f"{found.value:,.2f}" if "." in found.digits else found.digits
    return Match(end, "money", ((sign + digits, end),))


def percentage(line: Line, at: int) -> Match | None:
    found = _number(line, at)
    end = _percent_end(line, found.end) if found else 0
    if not found or not end:
        return None
    if found.scale:
        return None
    return Match(end, "percentage", ((f"{found.digits}%", end),))


def fraction(line: Line, at: int) -> Match | None:
    """Those that people say by their denominators from eleven on; halves to tenths stay words."""
    top = cardinal(line, at)
    if not top or line.text(top.end) not in DENOMINATORS:
        return None
    return Match(top.end + 1, "fraction", ((f"{top.value}/{DENOMINATORS[line.text(top.end)]}", top.end + 1),))


def place(line: Line, at: int) -> Match | None:
    """Ordinals from the tenth on."""
    found = ordinal(line, at)
    if not found or found.value < LEAST_IN_DIGITS or line.phrase(found.end - 1, "eleventh", "hour"):
        return None
    if line.text(found.end - 1) == "second" and not seconds.is_ordinal(line, at, found.end):
        return None
    return Match(found.end, "ordinal", ((suffixed(found.value), found.end),))


def number(line: Line, at: int) -> Match | None:
    """Any other number: in digits from ten on, with a unit or behind `chapter`; words that are not one number stay."""
    found = _negative(line, at) or quantity(line, at, joined=line.text(at - 1) != "between")
    if not found or _is_clock(line, at, found) or _is_small_half(line, found):
        return None
    if _runs_on(line, found.end) and not _is_length(line, at, found):
        return Match(_end_of_run(line, found.end))
    if found.value >= LEAST_IN_DIGITS and line.text(at) == "a" and not _has_rest(found, at):
        return plain(line, found) if line.text(found.end) in MEASURES else None
    if "." in found.digits:
        return Match(found.end, "decimal", found.words) if _is_decimal(line, at, found) else None
    is_measure = found.value > 1 and line.text(found.end) in MEASURES  # one foot in the grave
    is_small_in_digits = is_measure or _is_name(line, at, found)
    if found.value >= LEAST_IN_DIGITS or found.digits.startswith("-") or is_small_in_digits:
        return Match(found.end, "cardinal", found.words)
    return None


def plain(line: Line, found: Quantity) -> Match | None:
    """A number that is written in digits wherever it stands."""
    is_written = found.value >= LEAST_IN_DIGITS or line.text(found.end) in MEASURES or "." in found.digits
    if not is_written or _runs_on(line, found.end) or line.text(found.end) in CURRENCIES.keys() - MEASURES:
        return None
    return Match(found.end, "cardinal", found.words)


def _is_name(line: Line, at: int, found: Quantity) -> bool:
    """`chapter one`, but neither `in this chapter two people meet` nor `each page one by one`."""
    if line.text(at - 1) not in LABELS or found.value < 1:
        return False
    is_determined = line.text(at - 2) in DETERMINERS
    if found.value > 1:
        return not is_determined or not dates.is_counted(line.text(found.end))
    return not is_determined and not any(line.phrase(found.end, *words) for words in _BEHIND_PRONOUNS)


def _is_length(line: Line, at: int, found: Quantity) -> bool:
    return found.value >= LEAST_IN_DIGITS and seconds.is_unit(line, at, found.end)


def _number(line: Line, at: int) -> Quantity | None:
    return quantity(line, at, joined=line.text(at - 1) != "between")


def _small(line: Line, at: int, sign: str) -> tuple[int, int] | None:
    """The cents behind dollars, and where they end; their name may be left out at the end of a clause."""
    start = at + 1 if line.text(at) == "and" else at
    found = cardinal(line, start)
    if not found or found.value > 99:
        return None
    if SMALL_CURRENCIES.get(line.text(found.end)) in {sign, "$"}:
        return found.value, found.end + 1
    is_bare = start == at and found.value >= LEAST_IN_DIGITS and not line.text(found.end).isalnum()
    return (found.value, found.end) if is_bare else None


def _percent_end(line: Line, at: int) -> int:
    """Behind `percent`; 0 where there is none. Percentage points are counted, not written with a sign."""
    if line.text(at) == "percent":
        return at + 1
    return at + 2 if line.phrase(at, "per", "cent") else 0


def _is_clock(line: Line, at: int, found: Quantity) -> bool:
    """`half past ten`, `twenty to five`: both numbers stay words."""
    if line.text(at - 1) in {"past", "to"} and line.text(at - 2) in {"half", "quarter", "five", "ten", "twenty"}:
        return found.value <= 12
    behind = below_hundred(line, found.end + 1)
    is_minutes = found.value in {5, 10, 20, 25} and line.text(found.end) in {"past", "to"}
    return is_minutes and behind is not None and behind.value <= 12


def _is_small_half(line: Line, found: Quantity) -> bool:
    """`two and a half hours`."""
    is_counting = not found.scale and line.text(found.end) not in MEASURES
    return line.text(found.end - 1) == "half" and found.value < LEAST_IN_DIGITS and is_counting


def _negative(line: Line, at: int) -> Quantity | None:
    """Of degrees only: elsewhere `minus` may be said of two numbers."""
    found = quantity(line, at + 1) if line.text(at) in {"minus", "negative"} else None
    if not found or line.text(found.end) not in {"degree", "degrees"} or line.text(at - 1) in NUMBER_WORDS:
        return None
    return Quantity(f"-{found.digits}", found.digits_end, found.scale, found.end, -found.value)


def _has_rest(found: Quantity, at: int) -> bool:
    """Whether it is `a hundred and five` rather than `a hundred`."""
    return found.end > at + 2


def _is_decimal(line: Line, at: int, found: Quantity) -> bool:
    """`at one point two of us` is none."""
    return found.value >= LEAST_IN_DIGITS or line.text(at - 1) != "at" or line.text(found.end) in MEASURES | PERCENT


def _runs_on(line: Line, at: int) -> bool:
    return line.text(at) in NUMBER_WORDS or line.text(at) in _GOES_ON


def _end_of_run(line: Line, at: int) -> int:
    end = at
    while line.text(end) in NUMBER_WORDS or line.text(end) in _GOES_ON:
        end += 1
    return end
