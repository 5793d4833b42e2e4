"""Cuts the words of a segment into cues, and a cue into lines: short enough, balanced, broken where phrases end, and
slow enough to be read.

Both cuts are found by dynamic programming over the places where a break may be, so the result is the best one by the
costs below, not the first that fits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf
from typing import Final

from stenod_server.domain.rendering import SubtitleShape

MAX_CUE_MS: Final = 7_000
MIN_CUE_MS: Final = 1_000
_PAUSE_MS: Final = 300  # a gap between words that a listener hears
_SENTENCE_ENDS: Final = ".?!…。？！"  # noqa: RUF001  full-width marks are meant
_CLAUSE_ENDS: Final = ",;:—–、，；："  # noqa: RUF001  as above
_CLOSERS: Final = "\"'”’»)]"  # noqa: RUF001  as above

# Costs, in cues: what a break there is worth against having one cue more. One less that is gone too early always wins.
_CUE_COST: Final = 1.0
_BREAK_IN_PHRASE: Final = 1.0
_BREAK_AT_CLAUSE: Final = 0.3
_PAUSE_FACTOR: Final = 0.5
_UNEVENNESS: Final = 0.5  # of an empty cue; half of the room left empty costs a quarter of that
_HURRY_COST: Final = 1_000.0
_HURRY_WEIGHT: Final = 6.0  # what it costs more when there is half of the time that it takes to read a cue
# Costs of a line: one line less always wins; a break in a phrase weighs as much as lines half as long again as ideal.
_LINE_COST: Final = 1_000.0
_LINE_BREAK_WEIGHT: Final = 0.25


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as it is shown: no blanks at its ends, never empty. Milliseconds from the start of the file."""

    text: str
    start_ms: int
    end_ms: int


def cut_into_cues(
    pieces: Sequence[Piece], shape: SubtitleShape, *, until_ms: int, lead: int = 0
) -> list[Sequence[Piece]]:
    """Runs of pieces that each fit in `shape` and last at most MAX_CUE_MS; a single piece always fits.

    The last run may be read until `until_ms`, any other until the next one begins. The first `lead` pieces, which are
    the name of who speaks, are never without the piece behind them; with that one they must fit.
    """
    reach = partial(_cue_reach, pieces, shape, lead)
    bounds = _best_cuts(len(pieces), reach, partial(_cue_cost, pieces, shape, until_ms, lead))
    return [pieces[start:end] for start, end in pairwise(bounds)]


def break_into_lines(pieces: Sequence[Piece], max_length: int) -> list[str]:
    """The fewest lines that the cue fits in, of about the same length. A piece longer than a line has its own line."""
    ideal = width(pieces) / line_count(pieces, max_length)
    bounds = _best_cuts(len(pieces), partial(_line_reach, pieces, max_length), partial(_line_cost, pieces, ideal))
    return [" ".join(piece.text for piece in pieces[start:end]) for start, end in pairwise(bounds)]


def line_count(pieces: Sequence[Piece], max_length: int) -> int:
    """Lines needed when each is filled up: no other way needs fewer."""
    lines, end = 0, 0
    while end < len(pieces):
        lines, end = lines + 1, _line_reach(pieces, max_length, end)
    return lines


def width(pieces: Sequence[Piece]) -> int:
    """Characters, blanks between words included."""
    return sum(len(piece.text) for piece in pieces) + len(pieces) - 1


def reading_ms(characters: int, shape: SubtitleShape) -> int:
    """How long a cue of so many must be seen."""
    return max(MIN_CUE_MS, math.ceil(characters * 1000 / shape.max_characters_per_s))


def _best_cuts(count: int, reach: Callable[[int], int], cost: Callable[[int, int], float]) -> list[int]:
    """The cheapest way to cut `count` items into runs `[start, end)`: the bounds, first and last included.

    `reach(start)` is the largest allowed end of a run, at least `start + 1`. The work is `count` times the longest run.
    """
    best = [0.0] + [inf] * count
    previous = [0] * (count + 1)
    for start in range(count):
        for end in range(start + 1, reach(start) + 1):
            if (total := best[start] + cost(start, end)) < best[end]:
                best[end], previous[end] = total, start
    bounds = [count]
    while bounds[-1]:
        bounds.append(previous[bounds[-1]])
    return bounds[::-1]


def _cue_reach(pieces: Sequence[Piece], shape: SubtitleShape, lead: int, start: int) -> int:
    end = start
    for _ in range(shape.max_lines):
        if end < len(pieces):
            end = _line_reach(pieces, shape.max_line_length, end)
    shortest = max(lead, start) + 1
    while end > shortest and pieces[end - 1].end_ms - pieces[start].start_ms > MAX_CUE_MS:
        end -= 1
    return end


def _cue_cost(pieces: Sequence[Piece], shape: SubtitleShape, until_ms: int, lead: int, start: int, end: int) -> float:
    if end <= lead:
        return inf
    next_ms = pieces[end].start_ms - shape.min_gap_ms if end < len(pieces) else until_ms
    characters = width(pieces[start:end])
    needed_ms = reading_ms(characters, shape)
    hurry = needed_ms / max(1, next_ms - pieces[start].start_ms) - 1
    room = max(0.0, 1 - characters / (shape.max_line_length * shape.max_lines))
    cost = _CUE_COST + _break_cost(pieces, end) + _UNEVENNESS * room**2
    return cost + _HURRY_COST + _HURRY_WEIGHT * hurry if hurry > 0 else cost


def _line_reach(pieces: Sequence[Piece], max_length: int, start: int) -> int:
    end, length = start + 1, len(pieces[start].text)
    while end < len(pieces) and length + 1 + len(pieces[end].text) <= max_length:
        length += 1 + len(pieces[end].text)
        end += 1
    return end


def _line_cost(pieces: Sequence[Piece], ideal: float, start: int, end: int) -> float:
    unevenness = ((width(pieces[start:end]) - ideal) / ideal) ** 2
    return _LINE_COST + unevenness + _LINE_BREAK_WEIGHT * _break_cost(pieces, end)


def _break_cost(pieces: Sequence[Piece], end: int) -> float:
    """What it costs to break before `pieces[end]`; nothing at the very end."""
    if end == len(pieces):
        return 0.0
    last = pieces[end - 1].text.rstrip(_CLOSERS)[-1:]
    if last and last in _SENTENCE_ENDS:
        return 0.0
    cost = _BREAK_AT_CLAUSE if last and last in _CLAUSE_ENDS else _BREAK_IN_PHRASE
    return cost * _PAUSE_FACTOR if pieces[end].start_ms - pieces[end - 1].end_ms >= _PAUSE_MS else cost
