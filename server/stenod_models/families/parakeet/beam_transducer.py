"""Beam search for transducers, with phrases and a language model fused into its scores.

Alignment-length synchronous decoding ("Alignment-Length Synchronous Decoding for RNN Transducer", Saon, Tüske and
Audhkhasi, ICASSP 2020) in the form of "Pushing the Limits of Beam Search Decoding for Transducer-based ASR models"
(Grigoryan et al., arXiv 2506.00185), which lets each hypothesis stand at a frame of its own, as TDT's durations need:
a turn takes every hypothesis by one token, blank or not, and keeps the best of all; those that say the same and stand
at the same place become one, their probabilities added. Hypotheses at the end of their window wait, and compete.

Hypotheses live in slots: row r has slots [r * beam_size, (r + 1) * beam_size). A beam of 1 is greedy decoding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.beam import Fusion
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.fused_scores import FusedStates, best_places, likeliest
from stenod_models.families.parakeet.joint_scores import Head, ScoringTransducer, log_softmax
from stenod_models.families.parakeet.label_looping import FloatArray, Int64Array, Limits

_LOOKED_AT: Final = 4  # times the width of the beam: the likeliest tokens of a hypothesis; phrases' tokens come to them


@dataclass(frozen=True, slots=True)
class _Label:
    token: int
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class _Path:
    """A hypothesis at encoded frame `time`, with `at_frame` labels said there. `score` is the model's own, the natural
    logarithm; `fused` is what was added to it. `is_over`: with what its end is worth.
    """

    slot: int
    labels: tuple[_Label, ...] = ()
    time: int = 0
    at_frame: int = 0
    score: float = 0.0
    fused: float = 0.0
    is_over: bool = False

    @property
    def total(self) -> float:
        return self.score + self.fused

    @property
    def place(self) -> tuple[Any, ...]:
        """What decides how it may go on, besides the window."""
        return tuple(label.token for label in self.labels), self.time, self.at_frame


@dataclass(frozen=True, slots=True)
class _Extension:
    """A path and one more token, or none where it only waits; natural logarithms."""

    path: _Path
    token: int | None = None
    advance: int = 0
    token_score: float = 0.0
    duration_score: float = 0.0
    amount: float = 0.0

    @property
    def total(self) -> float:
        return self.path.total + self.token_score + self.duration_score + self.amount

    def grown(self, slot: int, limits: Limits, length: int) -> _Path:
        """The path behind it; none goes beyond the window."""
        path, token = self.path, self.token
        if token is None:
            return replace(path, slot=slot)
        score = path.score + self.token_score + self.duration_score
        after = replace(path, slot=slot, score=score, fused=path.fused + self.amount)
        end = min(path.time + self.advance, length)
        if token == limits.blank:
            return replace(after, time=max(end, path.time + 1), at_frame=0)
        label = _Label(token, path.time, end, float(np.exp(self.token_score)))
        is_stuck = self.advance == 0 and path.at_frame + 1 >= limits.max_symbols
        time = end + is_stuck
        at_frame = path.at_frame + 1 if time == path.time else 0
        return replace(after, labels=(*path.labels, label), time=time, at_frame=at_frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducerBeam:
    """How to search."""

    beam_size: int
    head: Head
    limits: Limits
    fusions: Sequence[Fusion] = ()


def decode_transducer_beam(
    transducer: ScoringTransducer,
    lengths: Sequence[int],
    search: TransducerBeam,
    *,
    is_cancelled: Callable[[int], bool] = lambda _row: False,
) -> list[Emissions | None]:
    """The best hypothesis of each window of `lengths[i]` encoded frames; `transducer` has a row for each slot.

    A cancelled window gives None.
    """
    beam = _Beam(transducer, lengths, search)
    cancelled: set[int] = set()
    while running := [row for row in beam.running() if row not in cancelled]:
        cancelled |= {row for row in running if is_cancelled(row)}
        beam.advance([row for row in running if row not in cancelled])
    return [None if row in cancelled else _emissions(paths) for row, paths in enumerate(beam.paths)]


class _Beam:
    """`paths[row]` are the hypotheses of a window."""

    def __init__(self, transducer: ScoringTransducer, lengths: Sequence[int], search: TransducerBeam) -> None:
        self._transducer = transducer
        self._search = search
        self._lengths = lengths
        slots = search.beam_size * len(lengths)
        self._fused = FusedStates(search.fusions, slots, search.limits.blank)
        self.paths = [[_Path(row * search.beam_size)] for row in range(len(lengths))]
        transducer.predict(np.arange(slots), np.full(slots, search.limits.blank, np.int64))

    def running(self) -> list[int]:
        return [row for row in range(len(self.paths)) if self._open(row)]

    def _open(self, row: int) -> list[_Path]:
        return [path for path in self.paths[row] if path.time < self._lengths[row]]

    def advance(self, rows: Sequence[int]) -> None:
        """One turn of these windows."""
        going = {row: self._open(row) for row in rows}
        if not going:
            return
        scored = self._scored([path for paths in going.values() for path in paths])
        width, place = self._search.beam_size, 0
        kept: dict[int, _Extension] = {}
        for row, paths in going.items():
            waiting = [_Extension(path) for path in self.paths[row] if path.is_over]
            found = [*waiting, *scored.best(slice(place, place + len(paths)), width)]
            place += len(paths)
            found = sorted(found, key=lambda one: -one.total)[:width]
            kept |= dict(enumerate(found, row * width))
            self.paths[row] = self._merged(row, found)
        self._follow(kept)
        for row in rows:
            self.paths[row] = [self._ended(path, self._lengths[row]) for path in self.paths[row]]

    def _scored(self, paths: Sequence[_Path]) -> "_Scored":
        slots = np.array([path.slot for path in paths])
        head = self._search.head
        logits = self._transducer.score(slots, np.array([path.time for path in paths]))
        scores = log_softmax(head.tokens_of(logits))
        blanks = np.full((len(paths), 1), head.blank, np.int64)
        likely = likeliest(scores, _LOOKED_AT * self._search.beam_size)
        tokens = np.concatenate([blanks, likely, self._fused.wanted(slots)], axis=1)
        token_scores = np.take_along_axis(scores, tokens, axis=1)
        amounts = self._fused.amounts(slots, tokens, scores)
        # Of one path no more can be among the best of all.
        best = likeliest(token_scores + amounts, self._search.beam_size)
        return _Scored(
            paths,
            np.take_along_axis(tokens, best, axis=1),
            np.take_along_axis(token_scores, best, axis=1),
            np.take_along_axis(amounts, best, axis=1),
            log_softmax(head.durations_of(logits)),
            head.durations or (0,),
        )

    def _merged(self, row: int, extensions: Sequence[_Extension]) -> list[_Path]:
        """Of paths that are one, the times are of the better, which comes first."""
        merged: dict[Any, _Path] = {}
        for slot, extension in enumerate(extensions, row * self._search.beam_size):
            path = extension.grown(slot, self._search.limits, self._lengths[row])
            other = merged.get(path.place)
            merged[path.place] = replace(other, score=float(np.logaddexp(other.score, path.score))) if other else path
        return list(merged.values())

    def _follow(self, kept: Mapping[int, _Extension]) -> None:
        """Have the networks and the fusions take in what was kept in each slot."""
        parents = np.arange(self._search.beam_size * len(self._lengths))
        parents[list(kept)] = [extension.path.slot for extension in kept.values()]
        self._transducer.reorder(parents)
        self._fused.reorder(parents)
        blank = self._search.limits.blank
        labels = {slot: one.token for slot, one in kept.items() if one.token is not None and one.token != blank}
        if labels:
            slots, tokens = np.array(list(labels)), np.array(list(labels.values()))
            self._transducer.predict(slots, tokens)
            self._fused.advance(slots, tokens)

    def _ended(self, path: _Path, length: int) -> _Path:
        if path.is_over or path.time < length:
            return path
        return replace(path, fused=path.fused + self._fused.final_amount(path.slot), is_over=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """How paths may go on: `tokens`, their scores and what is added to those are (paths, tokens), the scores of the
    durations (paths, durations).
    """

    paths: Sequence[_Path]
    tokens: Int64Array
    token_scores: FloatArray
    amounts: FloatArray
    duration_scores: FloatArray
    durations: Sequence[int]

    def best(self, places: slice, count: int) -> list[_Extension]:
        """The best extensions of some of the paths, best first."""
        found = best_places(self._totals(places), count)
        return [self._extension(places.start + path, token, lasting) for path, token, lasting in found]

    def _totals(self, places: slice) -> npt.NDArray[np.float64]:
        worth = np.array([path.total for path in self.paths[places]])[:, None]
        worth = worth + self.token_scores[places] + self.amounts[places]
        totals: npt.NDArray[np.float64] = worth[:, :, None] + self.duration_scores[places][:, None]
        return totals

    def _extension(self, place: int, column: int, lasting: int) -> _Extension:
        return _Extension(
            self.paths[place],
            int(self.tokens[place, column]),
            self.durations[lasting],
            float(self.token_scores[place, column]),
            float(self.duration_scores[place, lasting]),
            float(self.amounts[place, column]),
        )


def _emissions(paths: Sequence[_Path]) -> Emissions:
    best = max(paths, key=lambda path: path.total)
    found = Emissions()
    for label in best.labels:
        found.add(label.token, start=label.start, end=label.end, probability=label.probability)
    return found
