"""Puts the cues of a transcript in a row: ordered, apart, long enough to be read, and never two at a time.

Channels and speakers that talk at the same time give segments that overlap. So a cue is held back until no later
segment can begin before it, and then follows the cue before it. Two cues of which one would be gone before it is read
become one where both fit: two speakers then have a line each. Where they do not fit, and were said at the same time,
they share the time. What is held is a segment, two cues, and the overlap.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final, Protocol

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment, Word
from stenod_server.text.cue_layout import (
    MAX_CUE_MS,
    Piece,
    break_into_lines,
    cut_into_cues,
    line_count,
    reading_ms,
    width,
)

_SHORTEST_MS: Final = 500  # what a cue keeps when somebody else talks into it


@dataclass(frozen=True, slots=True)
class Part:
    """What one speaker says in a cue."""

    said_by: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines to be shown from `start_ms` to `end_ms`, milliseconds from the start of the file, by who says them."""

    start_ms: int
    end_ms: int
    lines: tuple[tuple[str, tuple[str, ...]], ...]


class Lead(Protocol):
    """What is written before the words of a speaker: nothing, a name, a dash.

    `before` is who spoke last; `in_dialogue`: others have lines in the same cue.
    """

    def __call__(self, said_by: str, before: str, *, in_dialogue: bool) -> str: ...


@dataclass(frozen=True, slots=True, order=True)
class _Draft:
    """A cue as it is said; it is shown longer where there is time. Ordered by time, then as it was fed."""

    start_ms: int
    order: tuple[int, int]
    end_ms: int = field(compare=False)
    parts: tuple[Part, ...] = field(compare=False)

    @property
    def said_by(self) -> str:
        return self.parts[-1].said_by


class CueTrack:
    """Is given the segments of a transcript in order of start, gives cues."""

    def __init__(self, shape: SubtitleShape, lead: Lead) -> None:
        self._shape = shape
        self._lead = lead
        self._order = count()
        self._open: Part | None = None  # its last cue's time depends on the segment after it
        self._fed_by = ""  # who said the segment before that
        self._waiting: list[_Draft] = []  # a heap
        self._held: list[_Draft] = []  # at most two: what becomes of them depends on the one after them
        self._shown_by = ""  # who spoke last in the cue before these

    def feed(self, segment: Segment) -> Iterator[Cue]:
        pieces = tuple(piece for word in segment.words for piece in _pieces(word))
        if not pieces:
            return
        self._cut(until_ms=pieces[0].start_ms)
        self._open = Part(segment.speaker or segment.channel, pieces)
        yield from self._release(before_ms=pieces[0].start_ms)

    def finish(self) -> Iterator[Cue]:
        self._cut(until_ms=None)
        yield from self._release(before_ms=None)
        for draft in self._held[-1:]:
            yield from self._settle(until_ms=draft.end_ms + MAX_CUE_MS)
        for draft in self._held:
            yield self._shown(draft, draft.start_ms + MAX_CUE_MS)

    # --- cutting ------------------------------------------------------------------------------------------------

    def _cut(self, until_ms: int | None) -> None:
        """Cut the open segment, which is followed by another one at `until_ms`."""
        if self._open is None:
            return
        part, order = self._open, next(self._order)
        end_ms = max(piece.end_ms for piece in part.pieces)
        until_ms = end_ms + MAX_CUE_MS if until_ms is None else max(end_ms, until_ms - self._shape.min_gap_ms)
        for place, run in enumerate(self._runs(part, self._fed_by, until_ms)):
            self._wait(Part(part.said_by, run), (order, place))
        self._open, self._fed_by = None, part.said_by

    def _runs(self, part: Part, before: str, until_ms: int) -> list[tuple[Piece, ...]]:
        lead = self._lead_pieces(part, before, in_dialogue=False)
        runs = cut_into_cues((*lead, *part.pieces), self._shape, until_ms=until_ms, lead=len(lead))
        return [tuple(runs[0][len(lead) :]), *map(tuple, runs[1:])]

    def _wait(self, part: Part, order: tuple[int, int]) -> None:
        start_ms, end_ms = part.pieces[0].start_ms, max(piece.end_ms for piece in part.pieces)
        heapq.heappush(self._waiting, _Draft(start_ms, order, end_ms, (part,)))

    def _next(self) -> _Draft:
        """The earliest that waits; without its end where a name leaves no room for it, because somebody else spoke."""
        draft = heapq.heappop(self._waiting)
        [part] = draft.parts
        before = self._held[-1].said_by if self._held else ""
        if self._count_lines(draft.parts, before) <= self._shape.max_lines:
            return draft
        first, *rest = self._runs(part, before, draft.end_ms)
        for place, run in enumerate(rest, start=1):
            self._wait(Part(part.said_by, run), (draft.order[0], draft.order[1] + place))
        return replace(draft, end_ms=max(piece.end_ms for piece in first), parts=(Part(part.said_by, first),))

    # --- placing ------------------------------------------------------------------------------------------------

    def _release(self, before_ms: int | None) -> Iterator[Cue]:
        while self._waiting and (before_ms is None or self._waiting[0].start_ms < before_ms):
            draft = self._next()
            yield from self._settle(until_ms=draft.start_ms - self._shape.min_gap_ms)
            self._held.append(draft)

    def _settle(self, until_ms: int) -> Iterator[Cue]:
        """Of two that are held make one, or show the first; the second has to be gone at `until_ms`."""
        if len(self._held) < 2:
            return
        first, second = self._held
        if both := self._together(first, second, until_ms):
            self._held = [both]
            return
        cue = self._shown(first, self._until_ms(first, second))
        yield cue
        self._shown_by = first.said_by
        self._held = [replace(second, start_ms=max(second.start_ms, cue.end_ms + self._shape.min_gap_ms))]

    def _together(self, first: _Draft, second: _Draft, until_ms: int) -> _Draft | None:
        """Both in one, if either is gone before it can be read, and that helps."""
        worst = max(
            self._hurry(first, self._shown_by, second.start_ms - self._shape.min_gap_ms),
            self._hurry(second, first.said_by, until_ms),
        )
        parts = _joined(first.parts, second.parts)
        both = replace(first, end_ms=max(first.end_ms, second.end_ms), parts=parts)
        if worst <= 1 or self._hurry(both, self._shown_by, until_ms) >= worst:
            return None
        fits = self._count_lines(parts, self._shown_by) <= self._shape.max_lines
        return both if fits and both.end_ms - both.start_ms <= MAX_CUE_MS else None

    def _hurry(self, draft: _Draft, before: str, until_ms: int) -> float:
        """The time that it takes to read it, over the time that there is."""
        return self._reading_ms(draft, before) / max(1, until_ms - draft.start_ms)

    def _until_ms(self, draft: _Draft, following: _Draft) -> int:
        """When it has to be gone: before the next begins; of what was said at the same time, each has its share."""
        until_ms = following.start_ms - self._shape.min_gap_ms
        if following.start_ms < draft.end_ms:
            both_ms = max(draft.end_ms, following.end_ms) - draft.start_ms - self._shape.min_gap_ms
            needed_ms = self._reading_ms(draft, self._shown_by)
            share = needed_ms / (needed_ms + self._reading_ms(following, draft.said_by))
            until_ms = max(until_ms, draft.start_ms + round(both_ms * share))
        return max(until_ms, draft.start_ms + _SHORTEST_MS)

    def _shown(self, draft: _Draft, until_ms: int) -> Cue:
        end_ms = max(draft.end_ms, draft.start_ms + self._reading_ms(draft, self._shown_by))
        end_ms = max(min(end_ms, until_ms, draft.start_ms + MAX_CUE_MS), draft.start_ms + 1)
        return Cue(draft.start_ms, end_ms, tuple(self._lines(draft.parts, self._shown_by)))

    # --- writing ------------------------------------------------------------------------------------------------

    def _lines(self, parts: Sequence[Part], before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        for part, pieces in zip(parts, self._led(parts, before), strict=True):
            yield part.said_by, tuple(break_into_lines(pieces, self._shape.max_line_length))

    def _count_lines(self, parts: Sequence[Part], before: str) -> int:
        return sum(line_count(pieces, self._shape.max_line_length) for pieces in self._led(parts, before))

    def _reading_ms(self, draft: _Draft, before: str) -> int:
        led = self._led(draft.parts, before)
        return reading_ms(sum(map(width, led)) + len(led) - 1, self._shape)

    def _led(self, parts: Sequence[Part], before: str) -> list[Sequence[Piece]]:
        led: list[Sequence[Piece]] = []
        for part in parts:
            led.append((*self._lead_pieces(part, before, in_dialogue=len(parts) > 1), *part.pieces))
            before = part.said_by
        return led

    def _lead_pieces(self, part: Part, before: str, *, in_dialogue: bool) -> tuple[Piece, ...]:
        """None where there would be no room for a word of the speaker."""
        first = part.pieces[0]
        text = self._lead(part.said_by, before, in_dialogue=in_dialogue)
        lead = tuple(Piece(word, first.start_ms, first.start_ms) for word in text.split())
        lines = line_count((*lead, first), self._shape.max_line_length)
        return lead if lines <= self._shape.max_lines else ()


def _joined(first: Sequence[Part], second: Sequence[Part]) -> tuple[Part, ...]:
    if first[-1].said_by != second[0].said_by:
        return (*first, *second)
    seam = replace(first[-1], pieces=(*first[-1].pieces, *second[0].pieces))
    return (*first[:-1], seam, *second[1:])


def _pieces(word: Word) -> Iterator[Piece]:
    """One, but of a word that formatting has put together with blanks."""
    for text in word.text.split():
        yield Piece(text, round(word.start_s * 1000), round(word.end_s * 1000))
