"""What is said digit by digit or letter by letter: telephone numbers, codes, abbreviations."""

from itertools import pairwise
from typing import Final

from stenod_server.text.formatting.english.line import Line, Match
from stenod_server.text.formatting.english.numbers import digit

_LEAST_DIGITS: Final = 3
_LEAST_OF_PHONE: Final = 7
_TIMES: Final = {"double": 2, "triple": 3, "treble": 3}
_SHORT: Final = frozenset({"us", "uk", "eu", "tv", "un", "pc", "cd", "dj", "ok", "ai", "uv", "hr", "vr"})
_LEAST_LETTERS: Final = 3
# They stand before a name: J. R. R. van Dam.
_PARTICLES: Final = frozenset({"de", "van", "von", "der", "den", "di", "da", "du", "la", "le", "del", "della", "ter"})


def digits(line: Line, at: int) -> Match | None:
    said, end = _group(line, at)
    whole, whole_end = said, end
    while line.text(whole_end) == "," and len(more := _group(line, whole_end + 1)[0]) >= _LEAST_DIGITS:
        whole, whole_end = whole + more, _group(line, whole_end + 1)[1]
    if len(said) >= _LEAST_DIGITS and len(whole) >= _LEAST_OF_PHONE:
        said, end = whole, whole_end
    least = _LEAST_OF_PHONE if line.text(at) in {"oh", "o"} else _LEAST_DIGITS  # `oh` alone is said for other reasons
    if len(said) < least or _is_counting(said):
        return None
    if line.text(end) in {"hundred", "thousand", "million", "point", "percent"}:
        return None
    return Match(end, "phone" if len(said) >= _LEAST_OF_PHONE else "cardinal", ((_grouped(said), end),))


def letters(line: Line, at: int) -> Match | None:
    """Letters in one case, so that the article before `B C D` is none of them. With points, before a name, they are
    initials: J. R. R. Tolkien.
    """
    first = line.atoms[at]
    start = end = at
    if first.text in {"a", "i"} and _is_letter(line, at + 1) and line.atoms[at + 1].is_capital != first.is_capital:
        return None
    while _is_letter(line, end) and line.atoms[end].is_capital == first.is_capital:
        end += 1
    if first.text.endswith(".") and _begins_name(line, end):
        return None
    said = "".join(line.text(index)[0] for index in range(start, end))
    is_short = said in _SHORT
    if not is_short and (len(said) < _LEAST_LETTERS or len(set(said) - {"a", "i"}) < 2):
        return None
    return Match(end, "alphanum", ((said.upper(), end),))


def _begins_name(line: Line, at: int) -> bool:
    return at < len(line.atoms) and (line.atoms[at].is_capital or line.text(at) in _PARTICLES)


def _group(line: Line, at: int) -> tuple[str, int]:
    """Digits with no mark between them, and where they end."""
    said, end = "", at
    while step := _next_digits(line, end):
        said, end = said + step[0], step[1]
    return said, end


def _next_digits(line: Line, at: int) -> tuple[str, int] | None:
    times = _TIMES.get(line.text(at), 0)
    if times and (one := digit(line, at + 1)):
        return one * times, at + 2
    one = digit(line, at)
    if not one:
        return None
    behind = at + 3 if line.text(at + 2) == "," else at + 2
    if line.text(at + 1) == "hundred" and all(digit(line, place) for place in range(behind, behind + 3)):
        return f"{one}00", at + 2
    return one, at + 1


def _is_counting(said: str) -> bool:
    steps = {int(b) - int(a) for a, b in pairwise(said)}
    return steps in ({1}, {-1})


def _grouped(said: str) -> str:
    """As telephone numbers are written: of North America, and those that begin with 0."""
    if said.startswith("0") and len(said) == 11:
        return f"{said[:3]} {said[3:7]} {said[7:]}" if said.startswith("02") else f"{said[:5]} {said[5:]}"
    if len(said) == 11 and said.startswith("1"):
        return f"1-{_grouped(said[1:])}"
    if len(said) == 10:
        return f"{said[:3]}-{said[3:6]}-{said[6:]}"
    return f"{said[:3]}-{said[3:]}" if len(said) == 7 else said


def _is_letter(line: Line, at: int) -> bool:
    text = line.text(at).removesuffix(".")
    return len(text) == 1 and text.isascii() and text.isalpha()
