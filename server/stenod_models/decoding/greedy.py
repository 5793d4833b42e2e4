"""Batched greedy decoding: every row takes its likeliest token until it ends, loops, is cancelled or hits its cap.

Two guards against runaway text, a known failure of sequence-to-sequence recognisers on noise and cut speech:

- a cap per row: Moonshine's model card allows 6.5 tokens per second of audio ("to avoid hallucination loops");
  families add a margin for short windows;
- a loop guard: a row that repeats the same tokens over and over is cut after the first copy. Like whisper.cpp, which
  judges the last 32 tokens (by their entropy), it looks at a bounded tail; unlike it, it needs no retry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

_LOOP_TOKENS: Final = 24  # a loop is at least this many tokens …
_LOOP_COPIES: Final = 4  # … of at least this many copies
_LONGEST_LOOP: Final = 16  # tokens in one copy


class Step(Protocol):
    """Advances rows by one token."""

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Take the last tokens (rows,), give the next ones and their probabilities, (rows,) each; may reuse memory.

        `rows` never grows: when the last rows of a batch are finished, they are left out from then on.
        """
        ...


@dataclass(slots=True)
class Hypothesis:
    """The tokens of one row without the end token, and their probabilities. `ended`: the model said so itself."""

    tokens: list[int]
    probabilities: list[float]
    ended: bool = False


def decode_greedy(
    step: Step,
    caps: Sequence[int],
    *,
    start_token: int,
    end_token: int,
    is_cancelled: Callable[[int], bool],
) -> list[Hypothesis | None]:
    """Decode `len(caps)` rows; `caps[i]` is the most tokens of row i. A cancelled row gives None.

    Finished rows keep stepping, their results thrown away, while a later row is running; so put the rows that are
    likely to take longest first.
    """
    rows: list[Hypothesis | None] = [Hypothesis([], []) for _ in caps]
    running = {row for row, cap in enumerate(caps) if cap > 0}
    tokens = np.full(len(caps), start_token, np.int64)
    while running:
        for row in [row for row in running if is_cancelled(row)]:
            rows[row] = None
            running.discard(row)
        if not running:
            break
        following, probabilities = step(tokens[: max(running) + 1])
        tokens = np.full(len(following), end_token, np.int64)
        for row in tuple(running):
            hypothesis = rows[row]
            if hypothesis is None:
                continue
            finished = extend(hypothesis, int(following[row]), float(probabilities[row]), end_token)
            if finished or len(hypothesis.tokens) >= caps[row]:
                running.discard(row)
            else:
                tokens[row] = following[row]
    return rows


def extend(hypothesis: Hypothesis, token: int, probability: float, end_token: int) -> bool:
    """Append the token; True when the row is finished by it."""
    if token == end_token:
        hypothesis.ended = True
        return True
    hypothesis.tokens.append(token)
    hypothesis.probabilities.append(probability)
    surplus = loop_surplus(hypothesis.tokens)
    if surplus:
        del hypothesis.tokens[-surplus:]
        del hypothesis.probabilities[-surplus:]
    return surplus > 0


def loop_surplus(tokens: Sequence[int]) -> int:
    """Tokens at the end that only repeat what stands before them, or 0 where the end is not a loop."""
    for period in range(1, min(_LONGEST_LOOP, len(tokens) // _LOOP_COPIES) + 1):
        if tokens[-1] != tokens[-1 - period]:
            continue
        copies = max(_LOOP_COPIES, -(-_LOOP_TOKENS // period))
        length = copies * period
        if length <= len(tokens) and tokens[-length:-period] == tokens[-length + period :]:
            return length - period
    return 0
