"""Marks of punctuation on words: where a sentence ends, and words without them.

A point may belong to its word, and whether it does may depend on the word behind it: `No. 5`, and the answer `No.`.
Where a function is told the word that is `following`, an empty one says that there is none.
"""

from typing import Final

from stenod_server.domain.formatting import MARKS

_SENTENCE_ENDS: Final = frozenset(".?!…。？！؟।")  # noqa: RUF001  marks of other scripts
_CLOSERS: Final = "\"'”’»)]}"  # noqa: RUF001
_MARKS: Final = frozenset(MARKS)
_SINGLE_QUOTES: Final = "'‘’‚"  # noqa: RUF001
# Of several languages; none is a word of another one.
_ABBREVIATIONS: Final = frozenset(
    {
        *("mr", "mrs", "ms", "messrs", "dr", "prof", "st", "capt", "sgt", "lt", "vs", "jr", "sr", "e.g", "i.e", "etc"),
        *("bzw", "usw", "ggf", "evtl", "mme", "mlle", "sra", "dra", "dott"),
    }
)
_BEFORE_NUMBERS: Final = frozenset(  # words elsewhere
    {"no", "nos", "nr", "nrs", "núm", "art", "fig", "figs", "vol", "vols", "pp", "op", "ca"}
)
_TIMES_OF_DAY: Final = frozenset({"a.m", "p.m"})
_OFTEN_LAST: Final = _TIMES_OF_DAY | {"etc", "usw"}
_BEHIND_TIMES: Final = frozenset(
    {
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *("eastern", "central", "mountain", "pacific", "greenwich"),
    }
)


def ends_sentence(text: str, following: str = "") -> bool:
    """Whether a sentence ends with this word; initials ("J.") and abbreviations ("Dr.") end none, but those that stand
    last as a rule ("etc.", "p.m.") do before a capital, or nothing.
    """
    if not has_end(text):
        return False
    stem = _before_point(text)
    return not _has_own_point(stem, following) or (stem in _OFTEN_LAST and _begins_sentence(following, behind=stem))


def ends_sentence_anyhow(text: str) -> bool:
    """Whether a sentence ends with this word, whatever follows."""
    stem = _before_point(text)
    return has_end(text) and stem not in _BEFORE_NUMBERS and not _has_own_point(stem)


def without_marks(text: str) -> str:
    """The word without punctuation around it; case, apostrophes, hyphens and decimal points inside it stay. May be
    empty.
    """
    bare = text
    while (inner := _unquoted(bare.strip(MARKS))) != bare:
        bare = inner
    return bare if any(character.isalnum() for character in bare) else ""


def affixes(text: str) -> tuple[str, str, str]:
    """The marks before a word, the word, and the marks behind it. What is nothing but marks has no word."""
    core = without_marks(text)
    if not core:
        return text, "", ""
    lead, _, trail = text.partition(core)
    return lead, core, trail


def split_marks(text: str, following: str = "") -> tuple[str, str]:
    """The word, and the marks behind it that are no part of it: the point of an abbreviation or an initial is. Marks
    before a word stay with it. What is nothing but marks has no word.
    """
    lead, core, trail = affixes(text)
    if not core:
        word = text.rstrip(MARKS)
        return word, text[len(word) :]
    if trail.startswith(".") and not trail.startswith("..") and _has_own_point(_stem(core), following):
        return f"{lead}{core}.", trail[1:]
    return lead + core, trail


def has_end(text: str) -> bool:
    """Whether the last mark of a word, but for closing quotes and brackets, is one that ends sentences."""
    return is_sentence_end(text.rstrip(_CLOSERS)[-1:])


def is_sentence_end(mark: str) -> bool:
    return mark in _SENTENCE_ENDS


def _unquoted(bare: str) -> str:
    """Without single quotes that are no apostrophes: on both sides of a word, or with a mark between them and it."""
    opens, closes = bare.startswith(tuple(_SINGLE_QUOTES)), bare.endswith(tuple(_SINGLE_QUOTES))
    if len(bare) > 2 and opens and closes:
        return bare[1:-1]
    if closes and bare[-2:-1] in _MARKS:
        return bare[:-1]
    return bare[1:] if opens and bare[1:2] in _MARKS else bare


def _before_point(text: str) -> str:
    """The word before the one point that ends it, in lower case; nothing where another mark does."""
    bare = text.rstrip(_CLOSERS)
    return _stem(without_marks(bare)) if bare.endswith(".") and not bare.endswith("..") else ""


def _stem(core: str) -> str:
    return core.lower().lstrip(_SINGLE_QUOTES)


def _has_own_point(stem: str, following: str = "") -> bool:
    if stem in _BEFORE_NUMBERS:
        return following[:1].isdigit()
    are_initials = stem != "i" and all(len(letter) == 1 and letter.isalpha() for letter in stem.split("."))
    return stem in _ABBREVIATIONS or are_initials


def _begins_sentence(text: str, *, behind: str) -> bool:
    bare = without_marks(text)
    is_of_time = behind in _TIMES_OF_DAY and (bare.isupper() or bare.lower() in _BEHIND_TIMES)  # 5 p.m. GMT
    return not text or (bare[:1].isupper() and not is_of_time)
