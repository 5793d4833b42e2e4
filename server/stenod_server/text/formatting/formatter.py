"""The steps of formatting, in their order. Every later step sees what the earlier ones have written.

1. words that are too quiet are left out, before anything is made of them;
2. disfluencies are tagged, and left out if that is asked, so that they stand in no number;
3. numbers, amounts, dates and times are written in digits;
4. words are spelled as the locale spells them;
5. swear words are tagged, and masked if that is asked;
6. marks that are not permitted are left out, or all of them;
7. capitals are left out;
8. replacements are last, so that the caller's word stands as it was given.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from stenod_server.domain.formatting import Formatting
from stenod_server.domain.transcript import Segment, Warning, Word  # noqa: A004  the word the API uses
from stenod_server.text.formatting import marks
from stenod_server.text.formatting.english.numerals import numerals
from stenod_server.text.formatting.piece import Step, each_word, pieces_of, segment_of

_AUTO: Final = "auto"


class Formatter:
    """Formats the segments of one job. `language` is BCP-47 or `auto`: that of each segment."""

    def __init__(self, formatting: Formatting, language: str = _AUTO) -> None:
        self._formatting = formatting
        self._language = "" if language == _AUTO else language
        self._steps: dict[str, tuple[Step, ...]] = {}

    def format(self, segment: Segment) -> Segment | None:
        """The segment as it is to be written; None where no word is left. Times of words stay inside the segment."""
        pieces = pieces_of(segment)
        for step in self._steps_for(self._language or segment.language):
            pieces = step(pieces)
        return segment_of(segment, pieces, entities=self._formatting.entities)

    def warnings(self) -> tuple[Warning, ...]:
        """What was asked for and is not there for the languages that were met so far."""
        return ()

    def _steps_for(self, language: str) -> tuple[Step, ...]:
        if language not in self._steps:
            self._steps[language] = tuple(_steps(self._formatting))
        return self._steps[language]


def _steps(formatting: Formatting) -> list[Step]:
    steps: list[Step] = []
    if formatting.volume_threshold > 0:
        steps.append(each_word(partial(_loud, threshold=formatting.volume_threshold)))
    if formatting.numerals or formatting.entities:
        steps.append(partial(numerals, locale=formatting.output_locale))
    if not formatting.punctuation:
        steps.append(each_word(marks.without))
    elif formatting.permitted_marks:
        steps.append(each_word(partial(marks.only, permitted=frozenset(formatting.permitted_marks))))
    if not formatting.casing:
        steps.append(each_word(_lower))
    return steps


def _loud(word: Word, *, threshold: float) -> Word | None:
    return None if word.volume is not None and word.volume < threshold else word


def _lower(word: Word) -> Word:
    return replace(word, text=word.text.lower())
