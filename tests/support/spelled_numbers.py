"""English numbers in words, as people say them."""

from typing import Final

_SMALL: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES: Final = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"))


def spelled(number: int, *, joint: str = "and", hyphen: str = " ") -> str:
    """`joint` stands before what is below a hundred, and may be empty; `hyphen` between tens and units."""
    words: list[str] = []
    for scale, name in _SCALES:
        if number >= scale:
            words += [spelled(number // scale, joint=joint, hyphen=hyphen), name]
            number %= scale
    if number >= 100:
        words += [_SMALL[number // 100], "hundred"]
        number %= 100
    if words and number:
        words += [joint] * bool(joint)
    if number or not words:
        words.append(_below_hundred(number, hyphen))
    return " ".join(words)


def _below_hundred(number: int, hyphen: str) -> str:
    if number < 20:
        return _SMALL[number]
    return _TENS[number // 10] + (hyphen + _SMALL[number % 10] if number % 10 else "")
