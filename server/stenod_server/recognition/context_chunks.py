"""Where people do not pause: chunks that share context are joined so that no word is lost or said twice. Pure.

Each chunk is recognised with some speech before and behind what it is to give, so both neighbours hear the words at
the seam between them, well inside their audio: the edges, where words are cut in half, lie seconds away. The earlier
chunk gives its words up to the seam. Which of the later one's words come next is not asked of their times, for the two
heard them a little apart: the words of both around the seam are aligned, by a longest common subsequence whose pairs
weigh more the closer they are in time (Needleman and Wunsch, 1970), and the later chunk goes on behind the partner of
the last word that was given.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Word

_REACH: Final = 3 * SAMPLE_RATE_HZ  # around a seam: more than two hearings of a word are ever apart
_APART: Final = round(0.75 * SAMPLE_RATE_HZ)  # two middles at most, for the words to be one
_MISHEARD: Final = 0.2  # what a pair of different words at one time weighs, against two that are equal
_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Tail:
    """What a chunk heard around the seam at its end; the first `given` of its words are in the transcript."""

    seam_samples: int
    words: tuple[Word, ...]
    given: int


def tail_of(words: Sequence[Word], seam_samples: int) -> Tail:
    """Of a chunk whose words, in samples of the file, are given up to the seam."""
    near = tuple(word for word in words if _is_near(word, seam_samples))
    return Tail(seam_samples, near, sum(is_before(word, seam_samples) for word in near))


def first_new(tail: Tail, words: Sequence[Word]) -> int:
    """Of the words of the chunk behind `tail`, the first that comes next; as many as there are where none does."""
    near = [index for index, word in enumerate(words) if _is_near(word, tail.seam_samples)]
    if not near:
        return sum(is_before(word, tail.seam_samples) for word in words)
    first = near[0]
    pairs = _aligned(tail.words, words[first : near[-1] + 1])
    given = [pair for pair in pairs if pair[0] < tail.given]
    coming = [pair for pair in pairs if pair[0] >= tail.given]
    limit = first + coming[0][1] if coming else near[-1] + 1
    floor = first + given[-1][1] + 1 if given else first
    if given and given[-1][0] == tail.given - 1:
        return floor
    # The last word that was given has no partner: what lies behind it in time is new.
    end = max(tail.seam_samples, tail.words[tail.given - 1].end_samples if tail.given else 0)
    return next((index for index in range(floor, limit) if not is_before(words[index], end)), limit)


def is_before(word: Word, place_samples: int) -> bool:
    """Whether a word's middle is."""
    return word.start_samples + word.end_samples < 2 * place_samples


def _is_near(word: Word, seam_samples: int) -> bool:
    return word.end_samples > seam_samples - _REACH and word.start_samples < seam_samples + _REACH


def _aligned(left: Sequence[Word], right: Sequence[Word]) -> list[tuple[int, int]]:
    """Pairs of places in order, of the greatest weight in all."""
    weights = [[_weight(one, other) for other in right] for one in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for row in range(len(left) - 1, -1, -1):
        for column in range(len(right) - 1, -1, -1):
            paired = weights[row][column] and weights[row][column] + best[row + 1][column + 1]
            best[row][column] = max(best[row + 1][column], best[row][column + 1], paired)
    pairs = []
    row = column = 0
    while row < len(left) and column < len(right):
        if best[row][column] == best[row + 1][column]:
            row += 1
        elif best[row][column] == best[row][column + 1]:
            column += 1
        else:
            pairs.append((row, column))
            row, column = row + 1, column + 1
    return pairs


def _weight(one: Word, other: Word) -> float:
    """Above 0 where both may be the same word as it was said."""
    apart = abs(one.start_samples + one.end_samples - other.start_samples - other.end_samples) / 2
    closeness = max(0.0, 1 - apart / _APART)
    if _plain(one.text) == _plain(other.text):
        return closeness
    return _MISHEARD * closeness if _overlap(one, other) else 0.0


def _overlap(one: Word, other: Word) -> bool:
    """By more than half of the shorter."""
    shared = min(one.end_samples, other.end_samples) - max(one.start_samples, other.start_samples)
    shorter = min(one.end_samples - one.start_samples, other.end_samples - other.start_samples)
    return 2 * shared > shorter


def _plain(text: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", text).casefold()
