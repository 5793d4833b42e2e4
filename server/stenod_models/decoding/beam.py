"""Batched beam search over a step function, with phrases and a language model fused into its scores.

The search of "Sequence to Sequence Learning with Neural Networks" (Sutskever et al., 2014) with the length
normalisation of "Google's Neural Machine Translation System" (Wu et al., 2016) in its plain form, the sum of
log-probabilities over length ** penalty, and shallow fusion ("On Using Monolingual Corpora in Neural Machine
Translation", Gülçehre et al., 2015). A row is done when `beam_size` of its hypotheses have ended, by themselves or by
the guards of greedy.py. What a row gives does not depend on its batch-mates, and a beam of 1 is greedy decoding.

Hypotheses live in slots: row r has slots [r * beam_size, (r + 1) * beam_size) as long as it is in the batch, so shapes
are fixed and only the caches of hypotheses that changed slot must be moved.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.greedy import Hypothesis, loop_surplus

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Scores of the tokens that may follow: log-probabilities (natural) over the whole vocabulary, before any fusion.

    `tokens` (slots, k) are the likeliest of each slot, no token twice; k is at least 2 * beam_size, or all there are.
    `wanted_log_probabilities` (slots, n) are of the tokens that were asked for.
    """

    tokens: IntArray
    log_probabilities: FloatArray
    wanted_log_probabilities: FloatArray


class BeamStep(Protocol):
    """Advances hypotheses by one token."""

    def __call__(self, tokens: IntArray, parents: IntArray, wanted: IntArray, /) -> Candidates:
        """Take the last token (slots,) of each slot; may reuse memory.

        `parents` (slots,): the slot of the call before whose hypothesis this one goes on from; its own at first.
        `wanted` (slots, n): tokens whose scores are needed however unlikely they are; may repeat tokens.
        When the last rows of a batch are finished, their slots are left out from then on.
        """
        ...


class Fusion(Protocol):
    """Adds to the scores of tokens what something else thinks of them: a PhraseTrie, a language model.

    States are arrays (slots,) of whatever it needs to know of a hypothesis.
    """

    def start(self, rows: int) -> npt.NDArray[Any]: ...

    def wanted(self, states: npt.NDArray[Any]) -> IntArray:
        """Tokens that may be worth more than nothing: (slots, n)."""
        ...

    def amounts(self, states: npt.NDArray[Any], tokens: IntArray) -> FloatArray:
        """What to add to the scores of `tokens` (slots, n)."""
        ...

    def advance(self, states: npt.NDArray[Any], tokens: IntArray) -> npt.NDArray[Any]:
        """The states behind `tokens` (slots,)."""
        ...

    def final_amounts(self, states: npt.NDArray[Any]) -> FloatArray:
        """What to add to hypotheses that end without the end token: (slots,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSearch:
    """How to search. `length_penalty` 0 prefers short hypotheses, 1 compares the mean score of a token."""

    beam_size: int
    start_token: int
    end_token: int
    length_penalty: float = 1.0
    fusions: Sequence[Fusion] = ()


@dataclass(slots=True)
class BeamHypothesis(Hypothesis):
    """`slots[i]` is the slot whose i-th step gave token i, the end token included: what else that step gave (its
    attention) is found there. `score` is what hypotheses were compared by, `log_probability` the sum over the tokens,
    the end included, without what was fused.
    """

    slots: list[int] = field(default_factory=list)
    score: float = 0.0
    log_probability: float = 0.0


def decode_beam(
    step: BeamStep, caps: Sequence[int], search: BeamSearch, *, is_cancelled: Callable[[int], bool]
) -> list[BeamHypothesis | None]:
    """The best hypothesis of each of `len(caps)` rows; `caps[i]` is the most tokens of row i.

    A cancelled row gives None. Put the rows that are likely to take longest first, as for decode_greedy.
    """
    rows = [_Row(cap, search) for cap in caps]
    cancelled: set[int] = set()
    beam = _Beam(step, search, len(rows))
    while True:
        cancelled |= {row for row, state in enumerate(rows) if state.is_running and is_cancelled(row)}
        running = [row for row, state in enumerate(rows) if state.is_running and row not in cancelled]
        if not running:
            break
        beam.advance({row: rows[row] for row in running})
    return [None if row in cancelled else state.best() for row, state in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class _Branch:
    """A running hypothesis; `totals` are its scores after each token."""

    tokens: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()
    slots: tuple[int, ...] = ()
    totals: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _Extension:
    total: float
    slot: int
    token: int
    log_probability: float


class _Row:
    """The hypotheses of one row: `_branches[i]` is in its i-th slot."""

    def __init__(self, cap: int, search: BeamSearch) -> None:
        self._cap = cap
        self._search = search
        self._finished: list[BeamHypothesis] = []
        self._branches: list[_Branch] = [_Branch()]
        self._going = 1 if cap > 0 else 0

    @property
    def is_running(self) -> bool:
        return self._going > 0 and len(self._finished) < self._search.beam_size

    def best(self) -> BeamHypothesis:
        return max(self._finished, key=lambda hypothesis: hypothesis.score, default=BeamHypothesis([], []))

    def extend(self, extensions: Sequence[_Extension], first_slot: int) -> list[_Extension]:
        """Go on with the best of `extensions`, best first; gives those that run on, in the order of their slots."""
        before, self._branches = self._branches, []
        kept: list[_Extension] = []
        for rank, extension in enumerate(extensions):
            branch = _grown(before[extension.slot - first_slot], extension)
            if extension.token == self._search.end_token:
                if rank < self._search.beam_size:
                    self._finish(branch, len(branch.tokens) - 1, branch.totals[-1], ended=True)
            elif len(kept) < self._search.beam_size:
                self._branches.append(branch)
                kept.append(extension)
        return kept

    def stop(self, final_amount: Callable[[int], float]) -> list[int]:
        """End what loops or has reached the cap, and give the places of these; `final_amount` is of a place."""
        stopped = []
        for place, branch in enumerate(self._branches):
            surplus = loop_surplus(branch.tokens)
            length = len(branch.tokens) - surplus
            if surplus:
                self._finish(branch, length, branch.totals[length - 1], ended=False)
            elif length >= self._cap:
                self._finish(branch, length, branch.totals[-1] + final_amount(place), ended=False)
            else:
                continue
            stopped.append(place)
        self._going = len(self._branches) - len(stopped)
        return stopped

    def _finish(self, branch: _Branch, length: int, total: float, *, ended: bool) -> None:
        tokens = length + ended
        self._finished.append(
            BeamHypothesis(
                list(branch.tokens[:length]),
                np.exp(branch.log_probabilities[:length]).tolist(),
                ended,
                list(branch.slots[:tokens]),
                total / tokens**self._search.length_penalty,
                sum(branch.log_probabilities[:tokens]),
            )
        )


def _grown(branch: _Branch, extension: _Extension) -> _Branch:
    return _Branch(
        (*branch.tokens, extension.token),
        (*branch.log_probabilities, extension.log_probability),
        (*branch.slots, extension.slot),
        (*branch.totals, extension.total),
    )


class _Beam:
    """The arrays over all slots: what goes into the step next, and what the hypotheses are worth."""

    def __init__(self, step: BeamStep, search: BeamSearch, rows: int) -> None:
        slots = rows * search.beam_size
        self._step = step
        self._search = search
        self._tokens = np.full(slots, search.start_token, np.int64)
        self._parents = np.arange(slots, dtype=np.int64)
        self._totals = np.full(slots, -np.inf)
        self._totals[:: search.beam_size] = 0.0  # one empty hypothesis to begin with
        self._states = [fusion.start(slots) for fusion in search.fusions]

    def advance(self, rows: dict[int, _Row]) -> None:
        """One step for the running rows."""
        width = self._search.beam_size
        self._keep((max(rows) + 1) * width)
        scored = self._scores()
        self._parents = np.arange(len(self._tokens), dtype=np.int64)
        self._tokens = np.full(len(self._tokens), self._search.end_token, np.int64)
        self._totals = np.full(len(self._tokens), -np.inf)
        for row, state in rows.items():
            first = row * width
            for place, extension in enumerate(state.extend(scored.best(first, width), first), first):
                self._parents[place] = extension.slot
                self._tokens[place] = extension.token
                self._totals[place] = extension.total
        self._states = [
            fusion.advance(states[self._parents], self._tokens)
            for fusion, states in zip(self._search.fusions, self._states, strict=True)
        ]
        for row, state in rows.items():
            first = row * width
            stopped = state.stop(partial(self._final_amount, first))
            self._totals[[first + place for place in stopped]] = -np.inf

    def _keep(self, slots: int) -> None:
        """Leave out the slots of rows that are finished."""
        self._tokens, self._parents, self._totals = (
            array[:slots] for array in (self._tokens, self._parents, self._totals)
        )
        self._states = [states[:slots] for states in self._states]

    def _scores(self) -> "_Scored":
        fused = list(zip(self._search.fusions, self._states, strict=True))
        none = np.zeros((len(self._tokens), 0), np.int64)
        asked = np.concatenate([none, *(fusion.wanted(states) for fusion, states in fused)], axis=1)
        found = self._step(self._tokens, self._parents, asked)
        tokens = np.concatenate([found.tokens, asked], axis=1)
        log_probabilities = np.concatenate([found.log_probabilities, found.wanted_log_probabilities], axis=1)
        totals = self._totals[:, None] + log_probabilities
        for fusion, states in fused:
            totals += fusion.amounts(states, tokens)
        return _Scored(tokens, log_probabilities, totals, found.tokens.shape[1])

    def _final_amount(self, first: int, place: int) -> float:
        slot = first + place
        return sum(
            float(fusion.final_amounts(states[slot : slot + 1])[0])
            for fusion, states in zip(self._search.fusions, self._states, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Tokens, their log-probabilities and the worth of hypotheses with them, (slots, columns) each.

    No token comes twice in the first `distinct` columns of a slot; the others repeat them and one another.
    """

    tokens: IntArray
    log_probabilities: FloatArray
    totals: npt.NDArray[np.float64]
    distinct: int

    def best(self, first: int, width: int) -> list[_Extension]:
        """The 2 * width best of a row whose first slot is `first`: even if `width` of them end, as many run on."""
        count = 2 * width
        totals = self.totals[first : first + width]
        once = totals[:, : self.distinct].ravel()
        least = np.partition(once, -count)[-count] if len(once) > count else -np.inf
        good = np.argwhere((totals >= least) & np.isfinite(totals)).tolist()
        extensions = {}
        for slot, column in good:
            extension = self._extension(first + slot, column)
            extensions[extension.slot, extension.token] = extension
        ranked = sorted(extensions.values(), key=lambda found: (-found.total, found.slot, found.token))
        return ranked[:count]

    def _extension(self, slot: int, column: int) -> _Extension:
        return _Extension(
            float(self.totals[slot, column]),
            slot,
            int(self.tokens[slot, column]),
            float(self.log_probabilities[slot, column]),
        )
