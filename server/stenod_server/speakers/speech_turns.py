"""Spans with their speakers → turns: what one says with no more than pauses in between. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.speakers.turns import Turns

Places = npt.NDArray[np.int64]

# A turn goes on behind a pause of this length, where nobody else talks in it.
PAUSE_SAMPLES: Final = round(1.5 * SAMPLE_RATE_HZ)


@dataclass(slots=True)
class _Open:
    """The turn that somebody has not ended yet, as far as is known."""

    start: int
    end: int


def turns_of(starts: Places, ends: Places, speakers: Places) -> Turns:
    """`speakers` -1: nobody knows, no turn. Turns of one speaker do not overlap or touch."""
    order = np.lexsort((ends, starts))
    known = order[speakers[order] >= 0]
    is_open: dict[int, _Open] = {}
    rows: list[tuple[int, int, int]] = []
    for start, end, speaker in zip(starts[known].tolist(), ends[known].tolist(), speakers[known].tolist(), strict=True):
        turn = is_open.get(speaker)
        if turn is not None and _goes_on(turn, start, speaker, is_open):
            turn.end = max(turn.end, end)
            continue
        if turn is not None:
            rows.append((turn.start, turn.end, speaker))
        is_open[speaker] = _Open(start, end)
    rows += [(turn.start, turn.end, speaker) for speaker, turn in is_open.items()]
    return Turns(np.array(sorted(rows), np.int64).reshape(-1, 3))


def _goes_on(turn: _Open, start: int, speaker: int, is_open: dict[int, _Open]) -> bool:
    if start <= turn.end:
        return True
    heard_else = any(other.end > turn.end for somebody, other in is_open.items() if somebody != speaker)
    return not heard_else and start - turn.end <= PAUSE_SAMPLES
