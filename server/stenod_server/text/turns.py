"""Who has the word: utterances and paragraphs, told segment by segment. Both are runs of whole segments.

An utterance is what one speaker says on one channel until somebody else speaks, or until a long pause. A sentence bears
a longer pause than the end of one. A paragraph is a part of an utterance; it ends where a sentence does, once it is
long enough, and the sooner the longer the speaker pauses there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Segment, Word
from stenod_server.text.punctuation import ends_sentence

_LONG_PAUSE_SAMPLES: Final = 2 * SAMPLE_RATE_HZ
_LONG_PAUSE_IN_SENTENCE_SAMPLES: Final = 5 * SAMPLE_RATE_HZ
_SHORT_PAUSE_SAMPLES: Final = SAMPLE_RATE_HZ * 3 // 4
_SHORT_PARAGRAPH_WORDS: Final = 40  # with a pause behind it, that is a paragraph
_LONG_PARAGRAPH_WORDS: Final = 100  # without one, too


@dataclass(frozen=True, slots=True)
class Turn:
    """Which utterance and which paragraph of the transcript a segment belongs to; both are counted from 0."""

    utterance: int
    paragraph: int


class Turns:
    """Is given the segments of a transcript in order, from the first one on. Holds a few numbers."""

    def __init__(self) -> None:
        self._turn = Turn(0, 0)
        self._last: Segment | None = None
        self._end_samples = 0  # of the utterance
        self._words = 0  # of the paragraph

    def place(self, segment: Segment) -> Turn:
        """Where this segment, which has words, belongs."""
        if self._last is not None:
            self._go_on(self._last, segment)
        self._last = segment
        self._end_samples = max(self._end_samples, segment.end_samples)
        self._words += len(segment.words)
        return self._turn

    def _go_on(self, last: Segment, segment: Segment) -> None:
        pause_samples = segment.start_samples - self._end_samples
        is_sentence_over = ends_sentence(last.words[-1].text, segment.words[0].text)
        if said_by(segment) != said_by(last) or pause_samples > _longest_pause(is_sentence_over):
            self._turn = Turn(self._turn.utterance + 1, self._turn.paragraph + 1)
            self._end_samples = self._words = 0
        elif is_sentence_over and self._words >= _enough_words(pause_samples):
            self._turn = replace(self._turn, paragraph=self._turn.paragraph + 1)
            self._words = 0


def said_by(segment: Segment) -> tuple[str, str]:
    """Channel and speaker, which tell voices apart."""
    return segment.channel, segment.speaker


def mean_confidence(words: Iterable[Word]) -> float:
    """Of the words, each as much as it is long; 0 where there are none."""
    weighed = [(word.confidence, max(1, word.end_samples - word.start_samples)) for word in words]
    length = sum(samples for _, samples in weighed)
    return sum(confidence * samples for confidence, samples in weighed) / length if length else 0.0


def _longest_pause(is_sentence_over: bool) -> int:  # noqa: FBT001  there is nothing else to tell it by
    return _LONG_PAUSE_SAMPLES if is_sentence_over else _LONG_PAUSE_IN_SENTENCE_SAMPLES


def _enough_words(pause_samples: int) -> int:
    return _SHORT_PARAGRAPH_WORDS if pause_samples >= _SHORT_PAUSE_SAMPLES else _LONG_PARAGRAPH_WORDS
