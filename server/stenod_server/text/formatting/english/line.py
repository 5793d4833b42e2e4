"""English words as the rules read them: one atom for a word, for a part of a compound number, and for a mark between.

A mark is an atom of its own, so that no rule reaches across it unless it says so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stenod_server.domain.transcript import Word
from stenod_server.text.formatting.english.vocabulary import IN_COMPOUNDS, NUMBER_WORDS, ORDINAL_UNITS, SCALES
from stenod_server.text.punctuation import affixes as plain_affixes

_HALVES_OF_DAY: Final = frozenset({"a.m", "p.m"})
_MULTIPLIERS: Final = SCALES.keys() | {"hundred"}
_DIGITS: Final = re.compile(r"[$£€]?[\d.,:]*\d")


@dataclass(frozen=True, slots=True)
class Atom:
    """`text` in lower case, without marks. `word`: the index of its word, which it `starts` and `ends` or not; `rest`
    is what stands behind it in a compound, hyphen and all.
    """

    text: str
    word: int
    starts: bool = True
    ends: bool = True
    is_capital: bool = False
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Atoms up to `end` are written as these words, each with the atom before which what it stands for ends. Without
    words, they stay as they were said.
    """

    end: int
    kind: str = ""
    written: tuple[tuple[str, int], ...] = ()


class Line:
    """Atoms that may be asked for beyond their ends, where there is nothing. `locale`, `en-GB` and the like or empty,
    decides how what they say is written.
    """

    def __init__(self, words: Sequence[Word], locale: str) -> None:
        self.locale = locale
        self.atoms = [atom for index, word in enumerate(words) for atom in _atoms(word.text, index)]

    def text(self, at: int) -> str:
        return self.atoms[at].text if 0 <= at < len(self.atoms) else ""

    def phrase(self, at: int, *texts: str) -> bool:
        """Whether these atoms stand there."""
        return all(self.text(at + place) == text for place, text in enumerate(texts))

    def goes_on(self, at: int, floor: int) -> bool:
        """Whether this may belong to a number before it that stays as it is, `floor` or later: one in digits, or a
        `couple of hundred and`.
        """
        before, further = self.text(at - 1), self.text(at - 2)
        if _DIGITS.fullmatch(before) or (before in SCALES and _DIGITS.fullmatch(further)):
            return True
        if before == "and":
            return at - 2 >= floor and further in _MULTIPLIERS
        return at - 1 >= floor and before in _MULTIPLIERS


def affixes(text: str) -> tuple[str, str, str]:
    """The marks before a word, the word, and those behind it; the points of `p.m.` and of an initial are the word's."""
    lead, core, trail = plain_affixes(text)
    if trail.startswith(".") and (core.lower() in _HALVES_OF_DAY or (len(core) == 1 and core.isalpha())):
        return lead, core + ".", trail[1:]
    return lead, core, trail


def _atoms(text: str, word: int) -> list[Atom]:
    lead, core, trail = affixes(text)
    atoms = [Atom(lead, word, starts=False, ends=False)] if lead else []
    parts = core.split("-") if _is_compound(core) else [core]
    for place, part in enumerate(parts if core else ()):
        rest = "".join(f"-{other}" for other in parts[place + 1 :])
        atoms.append(Atom(part.lower(), word, place == 0, not rest, part[:1].isupper(), rest))
    if core and trail:
        atoms.append(Atom(trail, word, starts=False, ends=False))
    return atoms


def _is_compound(core: str) -> bool:
    """`twenty-one`, `two-hundred-page`, but neither `one-on-one` nor `forty-niner`."""
    first, *others = core.lower().split("-")
    if not others or first not in NUMBER_WORDS:
        return False
    known = NUMBER_WORDS | IN_COMPOUNDS | ORDINAL_UNITS.keys() | {"and", "old"}
    return all(part in known for part in others)
