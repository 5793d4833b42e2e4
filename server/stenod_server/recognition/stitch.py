"""Windows' words → the segments of one channel. Pure; holds one open segment, however long the file is.

Every time is an integer count of samples from the start of the file: the window's offset plus the word's. Nothing is
accumulated, so nothing drifts. Promises, for any input: words come out in order (no start before the start before it),
`start <= end`, inside their window; each word that is kept comes out once, in exactly one segment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Segment, Word, WordTag
from stenod_server.ports import Window
from stenod_server.recognition.context_chunks import Tail, first_new, is_before, tail_of
from stenod_server.text.punctuation import ends_sentence, ends_sentence_anyhow


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a window lies: a `Window` without its audio, so that what waits in line holds none."""

    index: int
    start_samples: int
    end_samples: int
    keep_start_samples: int
    keep_end_samples: int
    channel: int = 0

    @classmethod
    def of(cls, window: Window) -> "Frame":
        return cls(
            window.index,
            window.start_samples,
            window.end_samples,
            window.keep_start_samples,
            window.keep_end_samples,
            window.channel,
        )

    @property
    def kept_samples(self) -> int:
        return self.keep_end_samples - self.keep_start_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRules:
    """When a segment ends. Lengths in samples.

    At a pause; at the end of a sentence once it is long enough that splitting makes no confetti; and at the latest when
    it gets too long to read at once. Subtitles are laid out from segments later, by their own rules.
    """

    pause_samples: int = round(0.8 * SAMPLE_RATE_HZ)
    sentence_min_samples: int = 2 * SAMPLE_RATE_HZ
    max_samples: int = 20 * SAMPLE_RATE_HZ
    max_words: int = 80


class Stitcher:
    """Takes the windows of a channel in order of time, gives segments as soon as they are whole.

    Their `index` is left 0 for who sends them to number.
    """

    def __init__(self, rules: SegmentRules | None = None) -> None:
        self._rules = rules or SegmentRules()
        self._open: list[Word] = []
        self._last: Word | None = None
        self._tail: Tail | None = None  # of the last window, where the next one shares speech with it

    def remember(self) -> dict[str, Any]:
        """What a stitcher must know to go on from here, as JSON has it."""
        return {
            "open": pack_words(self._open),
            "last": _pack(self._last) if self._last else None,
            "tail": _pack_tail(self._tail) if self._tail else None,
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on where `remember` was called. Raises what a memory that is none makes of it."""
        self._open = unpack_words(memory["open"])
        self._last = _unpack(memory["last"]) if memory["last"] else None
        self._tail = _unpack_tail(memory["tail"]) if memory["tail"] else None

    def place(self, frame: Frame, words: Sequence[Word]) -> list[Word]:
        """The window's words that are the window's own, in samples of the file."""
        placed = [_shifted(word, frame) for word in words]
        own = placed[self._first_own(frame, placed) :]
        self._tail = None
        if frame.keep_end_samples < frame.end_samples:
            self._tail = tail_of(placed, frame.keep_end_samples)
            own = [word for word in own if is_before(word, frame.keep_end_samples)]
        return own

    def feed(self, frame: Frame, words: Sequence[Word]) -> list[Segment]:
        """Add the placed words of the next window; gives the segments that are whole now."""
        segments: list[Segment] = []
        for word in words:
            segments += self._add(self._in_order(word))
        return segments + self.pause(frame.keep_end_samples)  # it may have ended in silence: no need to wait

    def pause(self, until_samples: int) -> list[Segment]:
        """There is no word from the last one to `until_samples`: the open segment, if that is long enough."""
        if self._open and until_samples - self._open[-1].end_samples >= self._rules.pause_samples:
            return list(self._close())
        return []

    def next_start(self, floor_samples: int) -> int:
        """Where the next segment starts at the earliest, if no word that comes starts before `floor_samples`."""
        if self._open:
            return self._open[0].start_samples
        return max(floor_samples, self._last.start_samples if self._last else 0)

    def finish(self) -> list[Segment]:
        """The last segment, if one is open."""
        return list(self._close())

    def _first_own(self, frame: Frame, placed: Sequence[Word]) -> int:
        if frame.keep_start_samples <= frame.start_samples:
            return 0
        if self._tail is None or self._tail.seam_samples != frame.keep_start_samples:
            return sum(is_before(word, frame.keep_start_samples) for word in placed)
        return first_new(self._tail, placed)

    def _in_order(self, word: Word) -> Word:
        floor = self._last.start_samples if self._last else 0
        if word.start_samples < floor:
            word = word.at(floor, max(word.end_samples, floor))
        self._last = word
        return word

    def _add(self, word: Word) -> Iterator[Segment]:
        if self._open and self._must_split_before(word):
            yield from self._close()
        self._open.append(word)
        if self._is_long() and ends_sentence_anyhow(word.text):
            yield from self._close()

    def _is_long(self) -> bool:
        return self._open[-1].end_samples - self._open[0].start_samples >= self._rules.sentence_min_samples

    def _must_split_before(self, word: Word) -> bool:
        first, last = self._open[0], self._open[-1]
        return (
            word.start_samples - last.end_samples >= self._rules.pause_samples
            or word.end_samples - first.start_samples > self._rules.max_samples
            or len(self._open) >= self._rules.max_words
            or (word.language, word.channel) != (last.language, last.channel)
            or (self._is_long() and ends_sentence(last.text, word.text))
        )

    def _close(self) -> Iterator[Segment]:
        words, self._open = self._open, []
        if words:
            yield segment_of(words)


def segment_of(words: Sequence[Word]) -> Segment:
    return Segment(0, tuple(words), language=words[0].language, channel=words[0].channel)


def pack_words(words: Sequence[Word]) -> list[list[Any]]:
    """Words as JSON has them."""
    return [_pack(word) for word in words]


def unpack_words(packed: Sequence[Sequence[Any]]) -> list[Word]:
    return [_unpack(word) for word in packed]


def _pack(word: Word) -> list[Any]:
    return list(astuple(word))


def _unpack(packed: Sequence[Any]) -> Word:
    word = Word(*packed)
    return replace(word, tags=tuple(map(WordTag, word.tags)))


def _pack_tail(tail: Tail) -> list[Any]:
    return [tail.seam_samples, pack_words(tail.words), tail.given]


def _unpack_tail(packed: Sequence[Any]) -> Tail:
    seam_samples, words, given = packed
    return Tail(seam_samples, tuple(unpack_words(words)), given)


def _shifted(word: Word, frame: Frame) -> Word:
    start = min(max(frame.start_samples + word.start_samples, frame.start_samples), frame.end_samples)
    end = min(max(frame.start_samples + word.end_samples, start), frame.end_samples)
    return word.at(start, end)
