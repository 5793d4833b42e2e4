"""Marks of a transducer and of a CTC model: a bias that the blank competes with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.decoding.marks import MarkTokens
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.marked_scores import MarkedTransducer
from stenod_models.families.parakeet.search import Search, search_ctc, search_transducer
from tests.unit.models.parakeet.scripted import (
    BLANK,
    LABELS,
    FloatArray,
    ScriptedScores,
    architecture_of,
    head_of,
    trie_of,
)

COMMA, FIVE = 1, 3
TOKENS = MarkTokens([" a", ",", "b", "5", ""])
WINDOWS = [(seed, 40) for seed in range(6)]


def decode(bias: float, *, beam_size: int = 1, has_durations: bool = True) -> list[list[int]]:
    head = head_of(has_durations=has_durations)
    model = ScriptedScores([seed for seed, _length in WINDOWS], head, width=beam_size)
    search = Search(beam_size, trie_of(), marks=TOKENS.raised(bias))
    lengths = [length for _seed, length in WINDOWS]
    found = search_transducer(model, lengths, architecture_of(head), search, lambda _row: False)
    return [row.tokens for row in found if row is not None]


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("has_durations", [True, False])
def test_marks_come_with_the_bias(beam_size: int, *, has_durations: bool) -> None:
    usual, many = (decode(bias, beam_size=beam_size, has_durations=has_durations) for bias in (0.0, 30.0))
    assert sum(row.count(COMMA) for row in many) > 2 * sum(row.count(COMMA) for row in usual)


def test_behind_a_digit_and_of_durations_scores_stay() -> None:
    head = head_of(has_durations=True)
    marks = TOKENS.raised(5.0)
    assert marks is not None
    plain, marked = ScriptedScores([7, 8], head), ScriptedScores([7, 8], head)
    transducer = MarkedTransducer(marked, marks, rows=2, blank=BLANK)
    rows, frames = np.arange(2), np.array([3, 4])
    for said in ([BLANK, BLANK], [FIVE, 0], [BLANK, BLANK]):
        for model in (plain, transducer):
            model.predict(rows, np.array(said))
    raised = transducer.score(rows, frames) - plain.score(rows, frames)
    assert np.argwhere(raised != 0).tolist() == [[1, COMMA]]
    transducer.reorder(np.array([1, 1]))
    plain.reorder(np.array([1, 1]))
    raised = transducer.score(rows, frames) - plain.score(rows, frames)
    assert raised[:, COMMA] == pytest.approx([5.0, 5.0])


def heard(scores: FloatArray, bias: float, beam_size: int = 1) -> Emissions:
    return search_ctc(scores, BLANK, Search(beam_size, marks=TOKENS.raised(bias)))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), frames=st.integers(1, 40))
def test_of_a_ctc_model_every_frame_that_is_behind_no_digit_is_a_mark(seed: int, frames: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 2, (frames, LABELS + 1)).astype(np.float32)
    assert COMMA in heard(scores, 30.0).tokens
    assert heard(scores, 0.0) == search_ctc(scores, BLANK, Search())


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_mark_that_the_blank_hides_is_set(beam_size: int) -> None:
    scores = np.full((3, LABELS + 1), -9, np.float32)
    scores[[0, 2], [0, 2]] = 0  # a … b
    scores[1, BLANK], scores[1, COMMA] = 0, -1
    assert heard(scores, 0.0, beam_size).tokens == [0, 2]
    assert heard(scores, 2.0, beam_size).tokens == [0, COMMA, 2]
