"""Dates and years. The order of day and month is the locale's; where none is given, that in which it was said."""

import re
from typing import Final

from stenod_server.text.formatting.english.line import Line, Match
from stenod_server.text.formatting.english.numbers import below_hundred, cardinal, digit, ordinal
from stenod_server.text.formatting.english.vocabulary import DECADES, MONTHS, NUMBER_WORDS
from stenod_server.text.punctuation import is_sentence_end

_BEFORE_YEARS: Final = (
    frozenset(
        (
            "in",
            "since",
            "year",
            "until",
            "till",
            "from",
            "to",
            "by",
            "before",
            "after",
            "around",
            "late",
            "early",
            "circa",
        )
    )
    | MONTHS
)
_BEFORE_OLD_YEARS: Final = frozenset({"in", "since", "year", "circa"})  # `from ten fifteen` is a time
_BEFORE_PRICES: Final = frozenset({"paid", "pay", "cost", "costs"})
_NO_NOUNS: Final = frozenset(("was", "is", "has", "his", "this", "as", "us", "its", "yes", "thus", "always", "perhaps"))
_COUNTED: Final = frozenset(("people", "men", "women", "children", "feet", "percent", "dollar", "mile", "square"))
_WORDS_TOO: Final = frozenset({"march", "may"})  # months only where they have a capital, or a year behind them
_YEAR: Final = re.compile(r"(1[5-9]|20)\d\d")


def date(line: Line, at: int) -> Match | None:
    return _day_first(line, at) or _month_first(line, at)


def year(line: Line, at: int) -> Match | None:
    """`nineteen ninety nine`, `twenty twenty one`, `two thousand and five`, `nineteen eighties`."""
    if line.text(at - 1) in _BEFORE_PRICES:
        return None
    found = _pair(line, at, is_expected=line.text(at - 1) in _BEFORE_YEARS) or _two_thousand(line, at)
    return Match(found[1], "date", (found,)) if found else None


def is_counted(text: str) -> bool:
    """Whether this looks like what a number before it counts."""
    return text in _COUNTED or (text.endswith("s") and text not in _NO_NOUNS)


def _day_first(line: Line, at: int) -> Match | None:
    start = at + 1 if line.text(at) == "the" else at
    is_second_day = start == at and line.text(at - 1) in {"and", "or", "to"}  # the 22nd and 23rd of June
    day = None if is_second_day else ordinal(line, start)
    if not day or day.value > 31 or line.text(day.end) != "of" or line.text(day.end + 1) not in MONTHS:
        return None
    month_end = day.end + 2
    year_text, end = _year_behind(line, month_end)
    if not year_text and (line.phrase(day.end - 1, "fourth", "of", "july") and day.value == 4):
        return Match(month_end)
    month = line.text(day.end + 1).capitalize()
    if line.locale == "en-US":
        return Match(end, "date", _spread(_american(month, day.value, year_text), at, end))
    words = [(str(day.value), day.end), (month, month_end)]
    return Match(end, "date", (*words, *([(year_text, end)] if year_text else [])))


def _month_first(line: Line, at: int) -> Match | None:
    month = line.text(at)
    if month not in MONTHS:
        return None
    start = at + 2 if line.text(at + 1) == "the" else at + 1
    day = ordinal(line, start)
    plain = below_hundred(line, start) if not day else None
    found = day or plain
    if not found or found.value > 31:
        return None
    year_text, end = _year_behind(line, found.end)
    is_sure = year_text or (day and (month not in _WORDS_TOO or line.atoms[at].is_capital))
    if not is_sure or (month in _WORDS_TOO and not year_text and _begins_sentence(line, at)):
        return None
    if line.locale in {"", "en-US", "en-CA"}:
        written = _american(month.capitalize(), found.value, year_text)
    else:
        written = [str(found.value), month.capitalize(), *([year_text] if year_text else [])]
    return Match(end, "date", _spread(written, at, end))


def _begins_sentence(line: Line, at: int) -> bool:
    return at == 0 or is_sentence_end(line.text(at - 1)[-1:])


def _american(month: str, day: int, year_text: str) -> list[str]:
    return [month, f"{day},", year_text] if year_text else [month, str(day)]


def _year_behind(line: Line, at: int) -> tuple[str, int]:
    """The year of a date, and where it ends; nothing and where it would begin."""
    start = at + 1 if line.text(at) == "," else at
    if _YEAR.fullmatch(line.text(start)):
        return line.text(start), start + 1
    return _pair(line, start, is_expected=True) or _two_thousand(line, start) or ("", at)


def _pair(line: Line, at: int, *, is_expected: bool) -> tuple[str, int] | None:
    century = below_hundred(line, at)
    if not century:
        return None
    lowest = 10 if line.text(at - 1) in _BEFORE_OLD_YEARS else 13
    if not lowest <= century.value <= 20:
        return None
    return _in_century(line, century.value, century.end, is_expected=is_expected)


def _in_century(line: Line, century: int, at: int, *, is_expected: bool) -> tuple[str, int] | None:
    text = line.text(at)
    if text in DECADES or text == "hundreds":
        return f"{century}{DECADES.get(text, '00')}s", at + 1
    if text == "hundred":
        return _in_hundred(line, century, at + 1) if is_expected else None
    if text in {"oh", "o"} and digit(line, at + 1) not in {"", "0"}:
        return f"{century}0{digit(line, at + 1)}", at + 2
    rest = below_hundred(line, at)
    behind = line.text(rest.end) if rest else ""
    if not rest or rest.value < 10 or behind in NUMBER_WORDS or behind == "vision":
        return None
    if not is_expected and century < 17 and is_counted(behind):
        return None
    return f"{century}{rest.value}", rest.end


def _in_hundred(line: Line, century: int, at: int) -> tuple[str, int] | None:
    """`nineteen hundred`, `nineteen hundred and five`."""
    rest = below_hundred(line, at + 1) if line.text(at) == "and" else None
    value, end = (rest.value, rest.end) if rest else (0, at)
    is_number = line.text(end) in NUMBER_WORDS | {"and"} or is_counted(line.text(end))
    return None if is_number else (f"{century}{value:02}", end)


def _two_thousand(line: Line, at: int) -> tuple[str, int] | None:
    if not line.phrase(at, "two", "thousand"):
        return None
    number = cardinal(line, at)
    if not number or not 2000 <= number.value <= 2099 or is_counted(line.text(number.end)):
        return None
    if number.value == 2000 and line.text(at - 1) not in {"in", "since", "year", "until", *MONTHS}:
        return None
    return str(number.value), number.end


def _spread(texts: list[str], start: int, end: int) -> tuple[tuple[str, int], ...]:
    """Where the order of what is written is not that of what was said, its words share the time evenly."""
    return tuple(
        (text, start + max(1, round((end - start) * place / len(texts)))) for place, text in enumerate(texts, start=1)
    )
