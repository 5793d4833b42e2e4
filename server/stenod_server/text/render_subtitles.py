"""SubRip and WebVTT. Cues are built of whole words, never mix segments, and never overlap.

Channels and speakers that talk at the same time give segments that overlap. So a cue is held back until no later
segment can begin before it, and then follows the cue before it; what is held is one cue, and the overlap.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment, Word
from stenod_server.text.cue_layout import (
    MAX_CUE_MS,
    MIN_CUE_MS,
    Piece,
    break_into_lines,
    cut_into_cues,
)

_READING_MS_PER_CHARACTER: Final = 50  # 20 characters a second: a quick reader
_SHORTEST_MS: Final = 500  # what a cue keeps when somebody else talks into it


@dataclass(frozen=True, slots=True, order=True)
class Cue:
    """Lines to be shown from `start_ms` to `end_ms`, milliseconds from the start of the file. Ordered by time."""

    start_ms: int
    order: int  # of two that start together, the one that was fed first
    end_ms: int = field(compare=False)
    lines: tuple[str, ...] = field(compare=False)
    said_by: str = field(compare=False)


class _CueTrack:
    """Orders cues and spaces them out."""

    def __init__(self, shape: SubtitleShape) -> None:
        self._shape = shape
        self._order = count()
        self._waiting: list[Cue] = []  # a heap
        self._last: Cue | None = None  # its end depends on the start of the one after it

    def feed(self, segment: Segment) -> Iterator[Cue]:
        pieces = [piece for word in segment.words if (piece := _piece(word)).text]
        if not pieces:
            return
        yield from self._release(before_ms=pieces[0].start_ms)
        for run in cut_into_cues(pieces, self._shape):
            heapq.heappush(self._waiting, self._cue(run, segment.speaker or segment.channel))

    def finish(self) -> Iterator[Cue]:
        yield from self._release(before_ms=None)
        if self._last:
            yield self._last

    def _cue(self, run: Sequence[Piece], said_by: str) -> Cue:
        lines = tuple(break_into_lines(run, self._shape.max_line_length))
        start_ms = run[0].start_ms
        to_read_ms = max(MIN_CUE_MS, sum(map(len, lines)) * _READING_MS_PER_CHARACTER)
        end_ms = min(max(run[-1].end_ms, start_ms + to_read_ms), start_ms + MAX_CUE_MS)
        return Cue(start_ms, next(self._order), end_ms, lines, said_by)

    def _release(self, before_ms: int | None) -> Iterator[Cue]:
        while self._waiting and (before_ms is None or self._waiting[0].start_ms < before_ms):
            cue = heapq.heappop(self._waiting)
            if self._last:
                end_ms = min(self._last.end_ms, max(cue.start_ms, self._last.start_ms + _SHORTEST_MS))
                yield replace(self._last, end_ms=end_ms)
                start_ms = max(cue.start_ms, end_ms)
                cue = replace(cue, start_ms=start_ms, end_ms=max(cue.end_ms, start_ms + _SHORTEST_MS))
            self._last = cue


class SrtRenderer:
    """SubRip: numbered cues, without names of speakers, for which it has no notation."""

    def __init__(self, shape: SubtitleShape) -> None:
        self._track = _CueTrack(shape)
        self._number = 0

    def start(self) -> str:
        return ""

    def feed(self, segment: Segment) -> str:
        return "".join(map(self._write, self._track.feed(segment)))

    def finish(self) -> str:
        return "".join(map(self._write, self._track.finish()))

    def _write(self, cue: Cue) -> str:
        self._number += 1
        # The arrow is the one text that players take for a time line.
        text = "\n".join(cue.lines).replace("-->", "->")
        return f"{self._number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n\n"


class VttRenderer:
    """WebVTT: hours always written, text escaped, speakers as voice tags."""

    def __init__(self, shape: SubtitleShape) -> None:
        self._track = _CueTrack(shape)

    def start(self) -> str:
        return "WEBVTT\n\n"

    def feed(self, segment: Segment) -> str:
        return "".join(map(_write_vtt, self._track.feed(segment)))

    def finish(self) -> str:
        return "".join(map(_write_vtt, self._track.finish()))


def _write_vtt(cue: Cue) -> str:
    voice = f"<v {_escape(cue.said_by)}>" if cue.said_by else ""
    text = "\n".join(map(_escape, cue.lines))
    return f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{voice}{text}\n\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _piece(word: Word) -> Piece:
    return Piece(" ".join(word.text.split()), round(word.start_s * 1000), round(word.end_s * 1000))


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"
