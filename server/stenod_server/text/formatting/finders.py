r"""Where a replacement is to be made in a segment, and what is written there.

Regular expressions are RE2's: their time is linear in the text, whatever is asked. They see a segment's words joined by
blanks, so that a match is of one segment.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Final

import re2

from stenod_server.domain.formatting import Replacement
from stenod_server.text.formatting.templates import Template, template
from stenod_server.text.punctuation import affixes

MOST_WRITTEN_CHARACTERS: Final = 20_000  # into one segment; the longest that is spoken has some hundred
_MOST_BYTES: Final = 256 * 1024  # of one regular expression, compiled: there may be a hundred
_STEPS_OF_A_TRY: Final = 200  # to compare words; in the time that RE2 takes for an instruction on a character at worst


@dataclass(frozen=True, slots=True)
class Found:
    """Words from `first` up to `end` that are to be written as `text`; they go where no word is."""

    first: int
    end: int
    text: str
    goes: bool = False


class Line:
    """A segment's words as they are now. `places`: where a word may be that is found by this form of it."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.text = " ".join(texts)
        self.starts = [0, *accumulate(len(text) + 1 for text in texts)]
        self.places: defaultdict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            for form in _forms(text):
                self.places[form].append(place)


class WordsFinder:
    """Finds whole words in any case."""

    def __init__(self, asked: Replacement) -> None:
        self._parts = [part.casefold() for part in asked.pattern.split()]
        self._replacement = asked.replacement
        self.first_form = self._parts[0]

    def steps(self, line: Line) -> int:
        return _STEPS_OF_A_TRY * len(line.places.get(self.first_form, ()))

    def find(self, line: Line) -> list[Found]:
        found: list[Found] = []
        done = 0
        for first in line.places.get(self.first_form, ()):
            end = first + len(self._parts)
            text = self._match(line.texts[first:end]) if done <= first and end <= len(line.texts) else None
            if text is not None:
                found.append(Found(first, end, text, goes=not self._replacement.strip()))
                done = end
        return found

    def _match(self, texts: Sequence[str]) -> str | None:
        """The replacement with the marks around these words; None where they are others."""
        if [text.casefold() for text in texts] == self._parts:
            return self._replacement
        lead, trail = affixes(texts[0])[0], affixes(texts[-1])[2]
        bare = [texts[0][len(lead) :], *texts[1:]]
        bare[-1] = bare[-1].removesuffix(trail)
        are_these = [text.casefold() for text in bare] == self._parts
        return lead + self._replacement + trail if are_these else None


class ExpressionFinder:
    """Finds a regular expression. Raises ValueError for one, or a replacement of one, that is none."""

    first_form: Final = ""  # it may be found anywhere

    def __init__(self, asked: Replacement) -> None:
        if "C" in re.findall(r"\\(.)", asked.expression):
            raise ValueError("\\C may match half a character")
        try:
            expression = re2.compile(asked.expression, _options())
            expression.search("")  # what is too large fails now
        except re2.error as error:
            raise ValueError(_said(error)) from error
        self._expand: Template = template(asked.replacement, expression.groups)
        self._removes = not asked.replacement.strip()
        self._instructions: int = expression.programsize
        self._finditer = expression.finditer

    def steps(self, line: Line) -> int:
        """At worst: every instruction on every character."""
        return self._instructions * (len(line.text) + 1)

    def find(self, line: Line) -> list[Found]:
        """Stops behind what is too much for a segment."""
        found: list[Found] = []
        written = 0
        for match in self._finditer(line.text):
            start, end = match.span()
            if start < end and written <= MOST_WRITTEN_CHARACTERS:
                text = self._expand(match)
                written += len(text) + 1
                _add(found, line, (start, end, text))
        return [replace(one, goes=self._leaves_nothing(one.text)) for one in found]

    def _leaves_nothing(self, text: str) -> bool:
        """Groups may have matched nothing; marks alone stay only where they are what was to be written."""
        return not text.strip() or (self._removes and not any(map(str.isalnum, text)))


def finder(asked: Replacement) -> WordsFinder | ExpressionFinder:
    """Raises ValueError for what is no regular expression, no replacement of one, or no text."""
    for text in (asked.pattern, asked.replacement):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("half of a character, a lone surrogate, is no text")
    return ExpressionFinder(asked) if asked.expression else WordsFinder(asked)


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MOST_BYTES
    options.log_errors = False
    return options


def _said(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


@lru_cache(maxsize=4096)
def _forms(text: str) -> frozenset[str]:
    lead, core, _ = affixes(text)
    return frozenset(form.casefold() for form in (text, text[len(lead) :], core))


def _add(found: list[Found], line: Line, match: tuple[int, int, str]) -> None:
    """Widen a match to whole words, and join it to the one before where that is in the same word. The blank behind a
    word is the word's; where it is matched, the next word is joined to this one.
    """
    (start, end, written), starts = match, line.starts
    first = bisect_right(starts, start) - 1
    last = min(bisect_right(starts, end) - 1, len(line.texts) - 1)
    behind = line.text[end : starts[last + 1] - 1]
    if found and found[-1].end > first:
        before = found.pop()
        kept = before.text[: len(before.text) - (starts[before.end] - 1 - start)]
        found.append(Found(before.first, last + 1, kept + written + behind))
    else:
        found.append(Found(first, last + 1, line.text[starts[first] : start] + written + behind))
