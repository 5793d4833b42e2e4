"""Times of day."""

from typing import Final

from stenod_server.text.formatting.english.dates import is_counted
from stenod_server.text.formatting.english.line import Line, Match
from stenod_server.text.formatting.english.numbers import Number, below_hundred, digit
from stenod_server.text.formatting.english.vocabulary import CURRENCIES, MEASURES, NUMBER_WORDS, PERCENT

_BEFORE_TIMES: Final = frozenset({"at", "by", "until", "till", "around", "before", "after", "from"})
_AMERICAN: Final = {"am": "a.m.", "pm": "p.m."}
_HALVES: Final = {"am": "am", "a.m": "am", "a.m.": "am", "pm": "pm", "p.m": "pm", "p.m.": "pm"}


def time(line: Line, at: int) -> Match | None:
    hour = below_hundred(line, at)
    if not hour or hour.value > 23 or hour.end - at > 1 + (hour.value > 20):
        return None
    minutes = _minutes(line, hour.end)
    return _with_half(line, hour, minutes) or _o_clock(line, hour) or _bare(line, at, hour, minutes)


def _with_half(line: Line, hour: Number, minutes: tuple[str, int]) -> Match | None:
    half, end = _half_of_day(line, minutes[1])
    if not half or hour.value > 12:
        return None
    written = _AMERICAN[half] if line.locale in {"", "en-US", "en-CA"} else half
    digits = f"{hour.value}:{minutes[0]}" if minutes[0] else str(hour.value)
    return Match(end, "time", ((digits, minutes[1]), (written, end)))


def _o_clock(line: Line, hour: Number) -> Match | None:
    if line.text(hour.end) not in {"o'clock", "o’clock"} or hour.value > 12:  # noqa: RUF001  as recognisers write it
        return None
    return Match(hour.end + 1, "time", ((str(hour.value), hour.end), ("o'clock", hour.end + 1)))


def _bare(line: Line, at: int, hour: Number, minutes: tuple[str, int]) -> Match | None:
    """Without a half of day it is a time only behind such a word, and where it counts nothing."""
    if line.phrase(hour.end, "hundred", "hours"):
        return Match(hour.end + 2, "time", ((f"{hour.value:02}00", hour.end + 1), ("hours", hour.end + 2)))
    latest = 23 if line.text(at - 1) == "at" else 12
    if not minutes[0] or not _is_expected(line, at) or hour.value > latest:
        return None
    behind = line.text(minutes[1])
    if behind in NUMBER_WORDS or behind in CURRENCIES or behind in MEASURES or behind in PERCENT or behind == "point":
        return None
    if is_counted(behind):
        return None
    return Match(minutes[1], "time", ((f"{hour.value}:{minutes[0]}", minutes[1]),))


def _is_expected(line: Line, at: int) -> bool:
    before = line.text(at - 1)
    return before in _BEFORE_TIMES or (before == "to" and line.text(at - 2) in NUMBER_WORDS)


def _minutes(line: Line, at: int) -> tuple[str, int]:
    """`thirty`, `oh five`; nothing, and where they would begin."""
    found = below_hundred(line, at)
    if found and 10 <= found.value <= 59:
        return str(found.value), found.end
    if line.text(at) in {"oh", "o", "zero"} and digit(line, at + 1) not in {"", "0"}:
        return f"0{digit(line, at + 1)}", at + 2
    return "", at


def _half_of_day(line: Line, at: int) -> tuple[str, int]:
    text = line.text(at).removesuffix(".")
    if half := _HALVES.get(text):
        return half, at + 1
    if text in {"a", "p"} and line.text(at + 1).removesuffix(".") == "m":
        return f"{text}m", at + 2
    return "", at
