"""The grammar of English numbers: where one begins at an atom, its value and the atom it ends before."""

from dataclasses import dataclass
from typing import Final

from stenod_server.text.formatting.english.line import Line
from stenod_server.text.formatting.english.vocabulary import (
    LARGE_SCALES,
    ORDINAL_UNITS,
    ORDINALS,
    SCALES,
    TEENS,
    TENS,
    UNITS,
    ZEROS,
)

_NO_END: Final = 10**15


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """`digits` as they are written, up to the atom `digits_end`; `scale` is the word behind them that stays one."""

    digits: str
    digits_end: int
    scale: str
    end: int
    value: float

    @property
    def words(self) -> tuple[tuple[str, int], ...]:
        return ((self.digits, self.digits_end), *(((self.scale, self.end),) if self.scale else ()))


def below_hundred(line: Line, at: int) -> Number | None:
    text = line.text(at)
    if text in TENS:
        unit = UNITS.get(line.text(at + 1), 0)
        return Number(TENS[text] + unit, at + 2 if unit else at + 1)
    value = TEENS.get(text) or UNITS.get(text)
    return Number(value, at + 1) if value else None


def cardinal(line: Line, at: int, *, joined: bool = True) -> Number | None:
    """`joined` False: no `and` belongs to it, as behind `between`. `a hundred` is one too."""
    total, limit, end = 0, _NO_END, at
    while group := _group(line, _next_group(line, end, joined=joined) if total else at, joined=joined):
        scale = SCALES.get(line.text(group.end), 1)
        if scale >= limit:
            break
        total, limit, end = total + group.value * scale, scale, group.end + (scale > 1)
        if scale == 1:
            break
    return Number(total, end) if total else None


def ordinal(line: Line, at: int) -> Number | None:
    """`first` to `ninety-ninth`, and those behind hundreds and thousands."""
    found = _ordinal_below_hundred(line, at)
    if found:
        return found
    head = cardinal(line, at)
    for end in range(head.end if head else at, at, -1):
        front = _whole(line, at, end)
        start = end + 1 if line.text(end) == "and" else end
        tail = _ordinal_below_hundred(line, start)
        if front and front.value % 100 == 0 and tail:
            return Number(front.value + tail.value, tail.end)
    return None


def suffixed(value: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if value % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value:,}{ending}"


def quantity(line: Line, at: int, *, joined: bool = True) -> Quantity | None:
    """A number as it is written: 1,250, 2.5, 2 million."""
    return _decimal(line, at) or _half(line, at) or _whole_quantity(line, at, joined=joined)


def digit(line: Line, at: int) -> str:
    """The digit that is said there, or nothing."""
    text = line.text(at)
    return "0" if text in ZEROS else str(UNITS.get(text, ""))


def _next_group(line: Line, end: int, *, joined: bool) -> int:
    """Behind a scale: `two thousand, five hundred`, but not `two thousand, five of them`; `and` only where less than a
    hundred ends the number, so that `between two thousand and five thousand` are two.
    """
    hundreds = _group(line, end + 1, joined=joined) if line.text(end) == "," else None
    if hundreds and hundreds.value >= 100:
        return end + 1
    if not joined or line.text(end) != "and":
        return end
    tail = below_hundred(line, end + 1)
    return end + 1 if tail and not _goes_on(line, tail.end) else end


def _group(line: Line, at: int, *, joined: bool) -> Number | None:
    """Up to 999, and `twelve hundred`."""
    is_article = line.text(at) == "a" and line.text(at + 1) in {"hundred", *SCALES}
    head = Number(1, at + 1) if is_article else below_hundred(line, at)
    if not head or line.text(head.end) != "hundred":
        return head
    value, end = 100 * head.value, head.end + 1
    is_joined = joined and line.text(end) == "and"
    tail = below_hundred(line, end + is_joined)
    if tail and line.text(tail.end) != "hundred":
        return Number(value + tail.value, tail.end)
    return Number(value, end)


def _goes_on(line: Line, at: int) -> bool:
    return line.text(at) == "hundred" or line.text(at) in SCALES


def _whole(line: Line, at: int, end: int) -> Number | None:
    found = cardinal(line, at)
    if found and found.end == end:
        return found
    head = below_hundred(line, at)
    if head and line.text(head.end) == "hundred" and head.end + 1 == end:
        return Number(100 * head.value, end)
    return None


def _ordinal_below_hundred(line: Line, at: int) -> Number | None:
    text = line.text(at)
    if text in TENS and line.text(at + 1) in ORDINAL_UNITS:
        return Number(TENS[text] + ORDINAL_UNITS[line.text(at + 1)], at + 2)
    value = ORDINALS.get(text) or ORDINAL_UNITS.get(text)
    return Number(value, at + 1) if value else None


def _whole_quantity(line: Line, at: int, *, joined: bool) -> Quantity | None:
    number = Number(0, at + 1) if line.text(at) == "zero" else cardinal(line, at, joined=joined)
    if not number:
        return None
    last = line.text(number.end - 1)
    scale = SCALES.get(last, 1)
    if last in LARGE_SCALES and number.value < 1000 * scale:
        return Quantity(f"{number.value // scale:,}", number.end - 1, last, number.end, number.value)
    return Quantity(f"{number.value:,}", number.end, "", number.end, number.value)


def _half(line: Line, at: int) -> Quantity | None:
    """`two and a half million`, `ten and a half`."""
    whole = below_hundred(line, at)
    if not whole or not line.phrase(whole.end, "and", "a", "half"):
        return None
    end, value = whole.end + 3, whole.value + 0.5
    scale = line.text(end)
    if scale in LARGE_SCALES:
        return Quantity(f"{value:g}", end, scale, end + 1, value * SCALES[scale])
    return Quantity(f"{value:g}", end, "", end, value)


def _decimal(line: Line, at: int) -> Quantity | None:
    whole = Number(0, at + 1) if line.text(at) in {"zero", "oh"} else cardinal(line, at)
    if not whole or line.text(whole.end) != "point":
        return None
    places, end = _places(line, whole.end + 1)
    if not places:
        return None
    digits, value = f"{whole.value:,}.{places}", float(f"{whole.value}.{places}")
    while line.text(end) == "point" and (further := _places(line, end + 1))[0]:  # of a version
        digits, end = f"{digits}.{further[0]}", further[1]
    scale = line.text(end)
    if scale in LARGE_SCALES:
        return Quantity(digits, end, scale, end + 1, value * SCALES[scale])
    return Quantity(digits, end, "", end, value)


def _places(line: Line, at: int) -> tuple[str, int]:
    """The digits behind the point: one by one, or as a number of two."""
    pair = below_hundred(line, at)
    if pair and pair.value >= 10:
        return str(pair.value), pair.end
    places, end = "", at
    while one := digit(line, end):
        places, end = places + one, end + 1
    return places, end
