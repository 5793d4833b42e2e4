"""Punctuation more readily: on tokens that are nothing but marks, and not inside a number. Less: doubtful ones go."""

import numpy as np
import pytest

from stenod_models.decoding.marks import MarkTokens, behind_digits
from stenod_models.decoding.spellings import Span

TEXTS = ["", " word", ",", ".", " 3", "...", "。", "-", "'", ' "', " a.", "5", "?!"]
TOKENS = MarkTokens(TEXTS)
MARKS = [2, 3, 5, 6, 12]
WORD, THREE, FIVE = 1, 4, 11


def test_marks_are_tokens_that_are_nothing_else() -> None:
    assert np.flatnonzero(TOKENS.are_marks).tolist() == MARKS
    assert np.flatnonzero(TOKENS.end_in_digit).tolist() == [THREE, FIVE]


def test_no_bias_is_nothing_to_fuse() -> None:
    assert TOKENS.raised(0.0) is None
    assert TOKENS.raised(-1.0) is None


@pytest.mark.parametrize("bias", [0.5, 8.0])
def test_every_mark_is_worth_the_bias_and_nothing_else_is(bias: float) -> None:
    marks = TOKENS.raised(bias)
    assert marks is not None
    states = marks.start(2)
    scores = np.zeros((2, len(TEXTS) + 2), np.float32)
    marks.add_to(scores, states)
    everything = np.tile(np.arange(len(TEXTS)), (2, 1))
    assert np.array_equal(scores[:, : len(TEXTS)], marks.amounts(states, everything))
    assert scores[0].tolist() == [bias if token in MARKS else 0 for token in range(len(TEXTS) + 2)]
    assert marks.wanted(states).tolist() == [MARKS, MARKS]
    assert marks.final_amounts(states).tolist() == [0, 0]


def test_behind_a_digit_nothing_is_added() -> None:
    marks = TOKENS.raised(8.0)
    assert marks is not None
    states = marks.advance(marks.start(3), np.array([THREE, WORD, FIVE]))
    assert marks.amounts(states, np.array([[3], [3], [3]])).tolist() == [[0], [8], [0]]
    scores = np.zeros((3, len(TEXTS)), np.float32)
    marks.add_to(scores, states)
    assert scores[:, 3].tolist() == [0, 8, 0]
    assert marks.advance(states, np.array([WORD, THREE, WORD])).tolist() == [False, True, False]


def test_behind_a_digit_is_behind_its_label_whatever_blanks_are_between() -> None:
    blank = len(TEXTS)
    ends = np.append(TOKENS.end_in_digit, False)
    frames = np.array([blank, WORD, THREE, THREE, blank, blank, 3, 3, FIVE])
    assert behind_digits(frames, blank, ends).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]


SAID = [1, 2, 4, 3, 11, 1, 12, 3]  # " word" "," " 3" "." "5" " word" "?!" "."
WORDS = [Span("word,", 0, 1), Span("3.5", 2, 4), Span("word?!.", 5, 7)]


def left(probabilities: dict[int, float], bias: float = -2.0) -> list[str]:
    """What is left where the tokens at these places are that likely, and all others certain."""
    likely = [probabilities.get(place, 1.0) for place in range(len(SAID))]
    words = TOKENS.sure(WORDS, SAID, likely, bias)
    assert [(word.first, word.last) for word in words] == [(word.first, word.last) for word in WORDS]
    return [word.text for word in words]


def test_marks_that_the_model_was_sure_of_stay() -> None:
    assert left({}) == ["word,", "3.5", "word?!."]
    assert left(dict.fromkeys(range(8), 0.9)) == ["word,", "3.5", "word?!."]  # ln 9 is above 2


def test_doubtful_marks_go_and_words_stay() -> None:
    assert left(dict.fromkeys(range(8), 0.8)) == ["word", "3.5", "word"]
    assert left({1: 0.8}) == ["word", "3.5", "word?!."]
    assert left({1: 0.5}, bias=0.0) == ["word,", "3.5", "word?!."]
    assert left({1: 0.5}, bias=-0.1) == ["word", "3.5", "word?!."]


def test_a_sure_mark_keeps_those_before_it() -> None:
    assert left({6: 0.5}) == ["word,", "3.5", "word?!."]
    assert left({7: 0.5}) == ["word,", "3.5", "word?!"]


def test_opening_marks_go_as_well_and_with_nothing_left_the_word() -> None:
    tokens = MarkTokens(["¿", "qué", "?", " …"])
    words = [Span("¿qué?", 0, 2), Span("…", 3, 3)]
    (word,) = tokens.sure(words, [0, 1, 2, 3], [0.5, 0.5, 0.5, 0.5], -1.0)
    assert word == Span("qué", 0, 2)
