"""What a job asks of how its text is written."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DEFAULT_SENSITIVITY: Final = 0.5
_LEAST_MARK_BIAS: Final = -4.0  # leaves a mark in eight
_MOST_MARK_BIAS: Final = 0.5  # more costs words: recognisers then set marks where a word should be
MARKS: Final = '.,;:!?…·—–"“”„«»()[]{}<>¿¡。、，？！：；؟،؛।'  # noqa: RUF001  marks of other scripts


class ProfanityFilter(StrEnum):
    """What is done with swear words. They are tagged, whatever is done."""

    KEEP = "keep"
    MASK = "mask"  # all but the first letter are written as asterisks


@dataclass(frozen=True, slots=True)
class Replacement:
    """`pattern`: whole words, in any case, or `/regular expression/` (RE2); `replacement` is written in their place."""

    pattern: str
    replacement: str

    @property
    def expression(self) -> str:
        """The regular expression; empty where the pattern is words."""
        bare = self.pattern.strip()
        return bare[1:-1] if bare.startswith("/") and bare.endswith("/") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatting:
    """`permitted_marks` empty: all. `punctuation_sensitivity`, 0 to 1: how readily marks are set. `numerals`: numbers,
    amounts, dates and times in digits; otherwise as the recogniser writes them. `entities`: the transcript tells which
    words those are, and how they were spoken. `casing` off: all in lower case. `output_locale` empty: the spelling of
    the recogniser. Words quieter than `volume_threshold`, 0 to 100, are left out. `replacements` are made last.
    `asked`: which of `punctuation` and `casing`, which are on unless turned off, were asked for by name; it changes
    nothing of the text.
    """

    punctuation: bool = True
    permitted_marks: tuple[str, ...] = ()
    punctuation_sensitivity: float = DEFAULT_SENSITIVITY
    numerals: bool = False
    entities: bool = False
    casing: bool = True
    remove_disfluencies: bool = False
    profanity_filter: ProfanityFilter = ProfanityFilter.KEEP
    output_locale: str = ""
    volume_threshold: float = 0.0
    replacements: tuple[Replacement, ...] = ()
    asked: tuple[str, ...] = field(default=(), compare=False)

    @property
    def mark_bias(self) -> float:
        """What a mark gains in log-probability (natural logarithm) by `punctuation_sensitivity`: linear on either side
        of its default.
        """
        leaning = self.punctuation_sensitivity / DEFAULT_SENSITIVITY - 1
        return leaning * (_MOST_MARK_BIAS if leaning > 0 else -_LEAST_MARK_BIAS)
