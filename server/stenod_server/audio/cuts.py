"""Where a window ends: pure functions over levels and speech, in hops from the start of the stretch looked at.

At a pause, where there is one: then a window needs nothing of its neighbours. Else at a seam: both windows hear the
speech around it, and the words that both heard tell how to join them (`recognition.context_chunks`).
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from stenod_server.audio.levels import Levels, Mask, hops, runs

MARGIN: Final = hops(0.25)  # kept of the silence before and after speech: soft onsets, and breath for the recogniser
LONG_PAUSE: Final = hops(2.0)  # nothing is gained by recognising across it
_SHORT_PAUSE: Final = hops(0.2)  # a stop inside a word, or a soft word, is as silent for a shorter time
_FULL_PAUSE: Final = hops(0.6)  # as good as a pause gets: the end of a sentence
_SHORTEST_RATIO: Final = 0.4  # of the target: shorter windows lose context and batch badly
_WHOLE_RATIO: Final = 1.25  # of the target: a rest of this length is not worth cutting
_SEARCH: Final = hops(4.0)  # where there is no pause, the quietest point of this much is taken


@dataclass(frozen=True, slots=True)
class Lengths:
    """Window lengths in hops. `chunk` with its context, `left` and `right`, is for where nobody pauses."""

    target: int
    maximum: int
    chunk: int = hops(20.0)
    left: int = hops(5.0)
    right: int = hops(3.0)

    def fitted(self) -> Self:
        """With a chunk that has room for its context: all three shrink alike."""
        scale = min(1.0, self.maximum / (self.left + self.chunk + self.right))
        left, right = int(self.left * scale), int(self.right * scale)
        chunk = max(1, min(int(self.chunk * scale), self.maximum - left - right))
        return replace(self, chunk=chunk, left=left, right=right)


@dataclass(frozen=True, slots=True)
class Cut:
    """The window is [start, end), the next one begins at or after `resume`. `is_seam`: there is no pause here."""

    start: int
    end: int
    resume: int
    is_seam: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What the cutter looks at: `speech` and `levels` per hop, whether the file ends here."""

    speech: Mask
    levels: Levels
    is_last: bool


def cut_at_pause(stretch: Stretch, start: int, limit: int, lengths: Lengths) -> Cut | None:
    """The best pause to end a window that starts at `start` and must end by `limit`; None where there is none.

    The pause nearest the target wins, a long one over a short one; behind a long pause nothing is added at all.
    """
    whole = _whole_rest(stretch, start, limit, lengths)
    if whole is not None:
        return whole
    best, best_score = None, -np.inf
    for begin, end in _pauses(stretch, start):
        if begin > limit:
            break
        # Of a pause that is only partly in reach, the quietest point that is.
        resume = _quietest_in(stretch.levels, begin, min(end, limit + 1))
        score = _score(begin - start, end - begin, lengths) - _fragment_penalty(stretch, begin, lengths)
        is_long = end - begin >= LONG_PAUSE
        if score > best_score and (is_long or begin - start >= _SHORTEST_RATIO * lengths.target):
            best, best_score = Cut(start, min(resume, begin + MARGIN), resume), score
        if is_long:
            break
    return best


def _pauses(stretch: Stretch, start: int) -> list[tuple[int, int]]:
    silence = ~stretch.speech
    if stretch.is_last:  # behind the end of the file is a pause without end
        silence = np.concatenate([silence, np.ones(LONG_PAUSE, np.bool_)])
    return [(a, b) for a, b in runs(silence) if a > start and b - a >= _SHORT_PAUSE]


def _quietest_in(levels: Levels, begin: int, end: int) -> int:
    inside = levels[begin:end]
    return begin + int(np.argmin(inside)) if len(inside) else begin


def _whole_rest(stretch: Stretch, start: int, limit: int, lengths: Lengths) -> Cut | None:
    if not stretch.is_last:
        return None
    last = int(np.flatnonzero(stretch.speech)[-1]) + 1
    length = min(last + MARGIN, len(stretch.speech)) - start
    if length > _WHOLE_RATIO * lengths.target or start + length > limit:
        return None
    return Cut(start, start + length, len(stretch.speech))


def _score(length: int, pause: int, lengths: Lengths) -> float:
    """A full pause is worth missing the target by its whole length; recognisers pad, so longer costs twice."""
    missed = length - lengths.target
    return min(pause / _FULL_PAUSE, 1.0) - max(-missed, 2 * missed) / lengths.target


def _fragment_penalty(stretch: Stretch, cut: int, lengths: Lengths) -> float:
    """Leaving a few words behind for a last window of their own is worse than any pause is good."""
    if not stretch.is_last:
        return 0.0
    rest = int(np.flatnonzero(stretch.speech)[-1]) - cut
    return 1.0 if 0 < rest < _SHORTEST_RATIO * lengths.target else 0.0


def cut_at_seam(levels: Levels, start: int, lengths: Lengths) -> Cut:
    """The quietest point of the last seconds of a chunk."""
    limit = min(start + lengths.chunk, len(levels))
    first = max(start + 1, limit - min(_SEARCH, lengths.chunk // 3))
    seam = first + int(np.argmin(levels[first:limit])) if first < limit else limit
    return Cut(start, seam, seam, is_seam=True)
