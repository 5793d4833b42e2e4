"""Diarization error rate as the NIST md-eval tool defines it (Rich Transcription evaluations, RT-09), and RTTM files.

Time is weighted by the reference's speakers: where two talk, a second counts twice. Speakers of a hypothesis are named
freely, so they are matched to the reference's one to one, in the way that gets the most time right. Around each start
and end of the reference a collar is left out: nobody marks speech to the tenth of a second.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from scipy.optimize import linear_sum_assignment

COLLAR_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class SpeakerTime:
    """Somebody speaks from `start_s` to `end_s`."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ErrorTimes:
    """Seconds of speech, counted once for each who speaks. The sum of two is that of both recordings together."""

    scored_s: float = 0.0
    missed_s: float = 0.0
    false_alarm_s: float = 0.0
    confused_s: float = 0.0

    @property
    def rate(self) -> float:
        """The diarization error rate; can be above 1."""
        wrong_s = self.missed_s + self.false_alarm_s + self.confused_s
        return wrong_s / self.scored_s if self.scored_s else float(wrong_s > 0)

    def __add__(self, other: "ErrorTimes") -> "ErrorTimes":
        return ErrorTimes(
            self.scored_s + other.scored_s,
            self.missed_s + other.missed_s,
            self.false_alarm_s + other.false_alarm_s,
            self.confused_s + other.confused_s,
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch in which nobody starts or stops."""

    length_s: float
    truth: frozenset[str]
    found: frozenset[str]


def diarization_error(
    truth: Sequence[SpeakerTime],
    found: Sequence[SpeakerTime],
    *,
    duration_s: float,
    collar_s: float = COLLAR_S,
    with_overlap: bool = True,
) -> ErrorTimes:
    """The whole recording is scored, but for the collars and, without overlap, where several of the truth talk."""
    pieces = [
        piece
        for piece in _pieces(truth, found, duration_s=duration_s, collar_s=collar_s)
        if with_overlap or len(piece.truth) <= 1
    ]
    named = _matched(pieces)
    scored_s = missed_s = false_alarm_s = confused_s = 0.0
    for piece in pieces:
        known, heard = len(piece.truth), len(piece.found)
        right = len(piece.truth & {named[speaker] for speaker in piece.found if speaker in named})
        scored_s += piece.length_s * known
        missed_s += piece.length_s * max(0, known - heard)
        false_alarm_s += piece.length_s * max(0, heard - known)
        confused_s += piece.length_s * (min(known, heard) - right)
    return ErrorTimes(scored_s, missed_s, false_alarm_s, confused_s)


def read_rttm(path: Path) -> list[SpeakerTime]:
    """The SPEAKER lines: type, file, channel, start, duration, two unused, speaker."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        SpeakerTime(row[7], float(row[3]), float(row[3]) + float(row[4])) for row in rows if row and row[0] == "SPEAKER"
    ]


def _pieces(
    truth: Iterable[SpeakerTime], found: Iterable[SpeakerTime], *, duration_s: float, collar_s: float
) -> Iterable[_Piece]:
    """The scored stretches of the recording, in order."""
    truth, found = list(truth), list(found)
    edges = [edge for one in truth for edge in (one.start_s, one.end_s)]
    collars = [(edge - collar_s, edge + collar_s) for edge in edges]
    events = {0.0, duration_s, *edges, *(side for collar in collars for side in collar)}
    events |= {edge for one in found for edge in (one.start_s, one.end_s)}
    times = sorted(time for time in events if 0 <= time <= duration_s)
    for start_s, end_s in pairwise(times):
        middle_s = (start_s + end_s) / 2
        if not any(left < middle_s < right for left, right in collars):
            yield _Piece(end_s - start_s, _speaking(truth, middle_s), _speaking(found, middle_s))


def _speaking(turns: Iterable[SpeakerTime], time_s: float) -> frozenset[str]:
    return frozenset(turn.speaker for turn in turns if turn.start_s < time_s < turn.end_s)


def _matched(pieces: Iterable[_Piece]) -> Mapping[str, str]:
    """The speaker of the truth for each that was found: one to one, with the most time in common."""
    common_s: dict[tuple[str, str], float] = defaultdict(float)
    for piece in pieces:
        for heard in piece.found:
            for known in piece.truth:
                common_s[heard, known] += piece.length_s
    heard_names, known_names = sorted({pair[0] for pair in common_s}), sorted({pair[1] for pair in common_s})
    table = [[common_s[heard, known] for known in known_names] for heard in heard_names]
    if not table:
        return {}
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {heard_names[row]: known_names[column] for row, column in zip(rows, columns, strict=True)}
