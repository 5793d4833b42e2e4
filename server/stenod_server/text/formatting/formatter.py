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

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from stenod_server.domain.formatting import Formatting, ProfanityFilter
from stenod_server.domain.transcript import Segment, Warning, Word  # noqa: A004  the word the API uses
from stenod_server.text.formatting import disfluencies, marks, other_numerals, profanity, rules, spelling
from stenod_server.text.formatting.english.numerals import numerals
from stenod_server.text.formatting.piece import Step, each_word, pieces_of, segment_of
from stenod_server.text.formatting.replacements import Replacements
from stenod_server.text.formatting.rules import primary

_AUTO: Final = "auto"
_NOTHING: Final = Formatting()


class Formatter:
    """Formats the segments of one job. `language` is BCP-47 or `auto`: that of each segment. One thread at a time.

    To make one may take a second, for it reads the files that its steps need and compiles regular expressions. `format`
    takes microseconds a word; with replacements milliseconds, and up to a tenth of a second where they are at their
    bounds.
    """

    def __init__(self, formatting: Formatting, language: str = _AUTO) -> None:
        """Raises ValueError for replacements that `rules.check` would have refused."""
        self._formatting = formatting
        self._only_tags = formatting == replace(_NOTHING, punctuation_sensitivity=formatting.punctuation_sensitivity)
        self._language = "" if language == _AUTO else language
        self._replacements = Replacements(formatting.replacements)
        self._steps: dict[str, list[Step]] = {}  # by language
        _read(formatting, self._language)

    def format(self, segment: Segment) -> Segment | None:
        """The segment as it is to be written; None where no word is left. Times of words stay inside the segment."""
        language = self._language or segment.language
        if self._only_tags and segment.words and not _has_tags(segment, primary(language)):
            return segment
        pieces = pieces_of(segment)
        for step in self._steps_for(language):
            pieces = step(pieces)
        return segment_of(segment, pieces, entities=self._formatting.entities)

    def warnings(self) -> tuple[Warning, ...]:
        """What was asked for and is not there for the job's language, or those of the segments so far."""
        languages = [self._language] if self._language else sorted(filter(None, self._steps))
        told = [warning for language in languages for warning in rules.warnings(self._formatting, language)]
        return (*told, rules.CUT_SHORT) if self._replacements.is_cut_short else tuple(told)

    def _steps_for(self, language: str) -> list[Step]:
        if language not in self._steps:
            self._steps[language] = [*_spoken(self._formatting, language), *_written(self._formatting, language)]
            if self._formatting.replacements:
                self._steps[language].append(self._replacements)
        return self._steps[language]


def _read(asked: Formatting, language: str) -> None:
    """What will be needed, now: a segment is no time to read files."""
    for code in {primary(language)} & profanity.LANGUAGES if language else profanity.LANGUAGES:
        profanity.swear_words(code)
    if asked.output_locale:
        spelling.spellings(rules.locale_of(asked, language))


def _has_tags(segment: Segment, code: str) -> bool:
    """The first word that has one is enough; most segments have none, and stay as they are."""
    return any(disfluencies.is_one(word.text, code) or profanity.is_one(word.text, code) for word in segment.words)


def _spoken(asked: Formatting, language: str) -> Iterator[Step]:
    """Which words there are."""
    code = primary(language)
    if asked.volume_threshold > 0:
        yield each_word(partial(_loud, threshold=asked.volume_threshold))
    if code in disfluencies.HESITATIONS:
        yield each_word(partial(disfluencies.tagged, language=code))
        if asked.remove_disfluencies:
            yield disfluencies.without_disfluencies
    if (asked.numerals or asked.entities) and code == "en":
        yield partial(numerals, locale=rules.locale_of(asked, language))
    elif (asked.numerals or asked.entities) and code in other_numerals.LANGUAGES:
        yield partial(other_numerals.numerals, language=code)


def _written(asked: Formatting, language: str) -> Iterator[Step]:
    """How each is written."""
    code = primary(language)
    if asked.output_locale and primary(asked.output_locale) == code:
        table = spelling.spellings(rules.locale_of(asked, language))
        yield partial(spelling.spelled, spellings=table)
    if code in profanity.LANGUAGES:
        mask = asked.profanity_filter is ProfanityFilter.MASK
        yield each_word(partial(profanity.tagged, language=code, mask=mask))
    if not asked.punctuation:
        yield marks.without
    elif asked.permitted_marks:
        yield partial(marks.only, permitted=frozenset(asked.permitted_marks))
    if not asked.casing:
        yield each_word(_lower)


def _loud(word: Word, *, threshold: float) -> Word | None:
    return None if word.volume is not None and word.volume < threshold else word


def _lower(word: Word) -> Word:
    return replace(word, text=word.text.lower())
