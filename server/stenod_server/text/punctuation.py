"""Marks of punctuation on words: where a sentence ends, and words without them."""

from typing import Final

from stenod_server.domain.formatting import MARKS

_SENTENCE_ENDS: Final = frozenset(".?!…。？！؟।")  # noqa: RUF001  marks of other scripts
_CLOSERS: Final = "\"'”’»)]}"  # noqa: RUF001
_ABBREVIATIONS: Final = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "no", "jr", "sr", "e.g", "i.e"})


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with this word; initials ("J.", "p.m.") or a common abbreviation ("Dr.") end none."""
    bare = text.rstrip(_CLOSERS)
    if not bare or bare[-1] not in _SENTENCE_ENDS:
        return False
    stem = bare.rstrip(".").lower()
    if not bare.endswith("."):
        return True
    are_initials = stem != "i" and all(len(letter) == 1 and letter.isalpha() for letter in stem.split("."))
    return stem not in _ABBREVIATIONS and not are_initials


def without_marks(text: str) -> str:
    """The word without punctuation around it; case, apostrophes, hyphens and decimal points inside it stay. May be
    empty.
    """
    bare = text.strip(MARKS)
    if len(bare) > 2 and bare[0] == bare[-1] == "'":
        bare = bare[1:-1]
    return bare if any(character.isalnum() for character in bare) else ""


def split_marks(text: str) -> tuple[str, str]:
    """The word, and the marks behind it that are no part of it: the point of an abbreviation or an initial is. Marks
    before a word stay with it. What is nothing but marks has no word.
    """
    word = text.rstrip(MARKS)
    marks = text[len(word) :]
    if word and marks.startswith(".") and not ends_sentence(word + "."):
        return word + ".", marks[1:]
    return word, marks


def is_sentence_end(mark: str) -> bool:
    return mark in _SENTENCE_ENDS
