"""The language of each window, from its text, where the recogniser does not say what it heard.

Such a recogniser (Parakeet) cannot be told a language either, and in short windows takes one for another. A window
whose text is surely in another language than the job's is recognised once more behind the end of the window before it;
what is still in that language then is reported as what it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Word
from stenod_server.ports import Int16Audio, Window, WindowResult
from stenod_server.recognition.context_chunks import is_before
from stenod_server.text.language_of_text import TextLanguage, primary

AUTO: Final = "auto"
UNDETERMINED: Final = "und"  # BCP-47; what a recogniser says of a language that it does not know

_LEAST_CONTEXT_SAMPLES: Final = SAMPLE_RATE_HZ  # less would tell the recogniser nothing


@dataclass(frozen=True, slots=True)
class LanguageWatch:
    """`asked` is the language of the job, or `auto`."""

    texts: TextLanguage
    asked: str

    def has_drifted(self, result: WindowResult) -> bool:
        """Whether the words are surely in another language than the job's."""
        found = self._measured(result)
        return found is not None and self._is_known and found[0] != primary(self.asked)

    def is_as_asked(self, result: WindowResult) -> bool:
        """Whether the words are surely in the job's language."""
        found = self._measured(result)
        return found is not None and found[0] == primary(self.asked)

    def told(self, result: WindowResult) -> WindowResult:
        """With the language of its words, where that is surely not the job's, or the recogniser knows of none."""
        if result.language != UNDETERMINED and not self.has_drifted(result):
            return result
        found = self._measured(result)
        return in_language(result, *found) if found else result

    @property
    def _is_known(self) -> bool:
        return self.asked != AUTO and primary(self.asked) in self.texts.languages

    def _measured(self, result: WindowResult) -> tuple[str, float] | None:
        return self.texts.identify(" ".join(word.text for word in result.words))


def in_language(result: WindowResult, language: str, confidence: float) -> WindowResult:
    words = tuple(replace(word, language=language) for word in result.words)
    return replace(result, words=words, language=language, language_confidence=confidence)


@dataclass(frozen=True, slots=True, eq=False)
class WithContext:
    """A window's audio behind the end of the one before it, `context_samples` of that."""

    audio: Int16Audio
    context_samples: int

    @classmethod
    def of(cls, window: Window, before: Window | None, *, most_samples: int) -> "WithContext | None":
        """None where there is nothing before it on its channel, or no room."""
        if before is None or before.channel != window.channel:
            return None
        earlier = before.audio[: max(0, window.start_samples - before.start_samples)]
        context = min(len(earlier), most_samples - len(window.audio))
        if context < _LEAST_CONTEXT_SAMPLES:
            return None
        return cls(np.concatenate([earlier[len(earlier) - context :], window.audio]), context)

    def own(self, result: WindowResult) -> WindowResult:
        """What was heard of all of it, as of the window alone."""
        return replace(result, words=tuple(self._own_words(result.words)))

    def _own_words(self, words: Iterable[Word]) -> Iterable[Word]:
        for word in words:
            if not is_before(word, self.context_samples):
                start = max(0, word.start_samples - self.context_samples)
                yield replace(word, start_samples=start, end_samples=word.end_samples - self.context_samples)
