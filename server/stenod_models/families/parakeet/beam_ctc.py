"""Beam search for CTC models, with phrases and a language model fused into its scores.

The prefix search of "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"
(Hannun, Maas, Jurafsky and Ng, arXiv 1408.2873): a hypothesis is a text, and its probability the sum over all ways to
say it. When the best text is found, its likeliest way (Viterbi) gives the times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.beam import Fusion
from stenod_models.families.parakeet.fused_scores import FloatArray, FusedStates, Int64Array, best_places, likeliest

_LOOKED_AT: Final = 4  # times the width of the beam: the likeliest tokens of a frame; phrases' tokens come to them
_NEVER: Final = float("-inf")

_Text: TypeAlias = tuple[int, ...]


@dataclass(slots=True)
class _Prefix:
    """Natural logarithms of how likely the text is with a blank as its last frame, and without; what was added to them.

    `parent` is the place of the text that it comes from, `token` what was added to that: None where it is the same.
    """

    parent: int
    token: int | None
    fused: float
    blank: float = _NEVER
    label: float = _NEVER

    @property
    def score(self) -> float:
        return float(np.logaddexp(self.blank, self.label))

    @property
    def total(self) -> float:
        return self.score + self.fused


def decode_ctc_beam(scores: FloatArray, blank: int, *, beam_size: int, fusions: Sequence[Fusion] = ()) -> Int64Array:
    """The token of each frame, along the likeliest way to say the best text. `scores` are log-probabilities,
    (frames, vocabulary).
    """
    search = _Search(blank, beam_size, fusions)
    for frame in scores:
        search.take_in(frame)
    return aligned(scores, search.best(), blank)


class _Search:
    """`_texts` are the hypotheses, the likeliest first; the i-th has the i-th of the fusions' states."""

    def __init__(self, blank: int, beam_size: int, fusions: Sequence[Fusion]) -> None:
        self._blank = blank
        self._beam_size = beam_size
        self._fused = FusedStates(fusions, 1, blank)
        self._texts: dict[_Text, _Prefix] = {(): _Prefix(0, None, 0.0, blank=0.0)}

    def best(self) -> _Text:
        totals = [prefix.total + self._fused.final_amount(place) for place, prefix in enumerate(self._texts.values())]
        return list(self._texts)[int(np.argmax(totals))]

    def take_in(self, frame: FloatArray) -> None:
        """`frame`: the log-probabilities of one frame, (vocabulary,)."""
        following: dict[_Text, _Prefix] = {}
        for place, (text, prefix) in enumerate(self._texts.items()):
            staying = _Prefix(place, None, prefix.fused, blank=prefix.score + float(frame[self._blank]))
            if text:
                staying.label = prefix.label + float(frame[text[-1]])
            following[text] = staying
        for place, token, score, fused in self._extensions(frame):
            text = (*list(self._texts)[place], token)
            grown = following.setdefault(text, _Prefix(place, token, fused))
            grown.label = float(np.logaddexp(grown.label, score))
        best = sorted(following.items(), key=lambda item: -item[1].total)[: self._beam_size]
        self._texts = dict(best)
        self._fused.reorder(np.array([prefix.parent for prefix in self._texts.values()]))
        grew = [(place, one.token) for place, one in enumerate(self._texts.values()) if one.token is not None]
        self._fused.advance(*np.array(grew, np.int64).reshape(-1, 2).T)

    def _extensions(self, frame: FloatArray) -> list[tuple[int, int, float, float]]:
        """The best texts that are longer by a token: the place they come from, the token, score and what is added."""
        prefixes = list(self._texts.values())
        places = np.arange(len(prefixes))
        every = np.broadcast_to(frame, (len(prefixes), len(frame)))
        likely = np.repeat(likeliest(frame[None], _LOOKED_AT * self._beam_size), len(prefixes), axis=0)
        tokens = np.concatenate([likely, self._fused.wanted(places)], axis=1)
        lasts = np.array([text[-1] if text else self._blank for text in self._texts])[:, None]
        # The same token again is a new label only behind a blank.
        before = np.where(
            tokens == lasts,
            np.array([prefix.blank for prefix in prefixes])[:, None],
            np.array([prefix.score for prefix in prefixes])[:, None],
        )
        scores = before + frame[tokens]
        amounts = self._fused.amounts(places, tokens, every)
        fused = np.array([prefix.fused for prefix in prefixes])[:, None] + amounts
        totals = np.where(tokens == self._blank, _NEVER, scores + fused)
        found = best_places(totals, 2 * self._beam_size)
        return [(row, int(tokens[row, n]), float(scores[row, n]), float(fused[row, n])) for row, n in found]


def aligned(scores: FloatArray, tokens: _Text, blank: int) -> Int64Array:
    """Each frame's token along the likeliest way to say `tokens`: Viterbi over blank, token, blank, …, token, blank."""
    states = np.full(2 * len(tokens) + 1, blank, np.int64)
    states[1::2] = tokens
    may_skip = np.zeros(len(states), np.bool_)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    steps = np.zeros((len(scores), len(states)), np.int64)
    reached = np.where(np.arange(len(states)) < 2, 0.0, _NEVER)
    for place, frame in enumerate(scores):
        if place:
            ways = np.full((3, len(states)), _NEVER)
            ways[0] = reached
            ways[1, 1:] = reached[:-1]
            ways[2, 2:] = np.where(may_skip[2:], reached[:-2], _NEVER)
            steps[place] = ways.argmax(axis=0)
            reached = ways.max(axis=0)
        reached = reached + frame[states]
    return states[_traced(reached, steps)]


def _traced(reached: npt.NDArray[np.float64], steps: Int64Array) -> Int64Array:
    """The states of a Viterbi search, one for each frame."""
    ends = np.arange(max(0, len(reached) - 2), len(reached))
    state = int(ends[reached[ends].argmax()])
    path = np.zeros(len(steps), np.int64)
    for place in range(len(steps) - 1, -1, -1):
        path[place] = state
        state -= int(steps[place, state])
    return path
