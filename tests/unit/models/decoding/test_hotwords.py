"""The invariant: along any sequence, what is given for phrases that did not become whole is taken back."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_models.decoding.hotwords import Phrase, PhraseTrie

END = 0
# Tokens 1 to 9 begin a word, 10 to 18 go on with one; 19 is a comma.
VOCABULARY = 20
COMMA = 19
ENDS_WORD = np.array([token < 10 or token == COMMA for token in range(VOCABULARY)])

token_lists = st.lists(st.integers(1, VOCABULARY - 1), max_size=12)
phrase_tokens = st.tuples(st.integers(1, 9), st.lists(st.integers(1, 18), max_size=3)).map(lambda p: (p[0], *p[1]))
phrase_lists = st.lists(st.builds(Phrase, phrase_tokens, st.sampled_from([0.5, 1.0, 2.0])), max_size=5)


def trie_of(*phrases: Sequence[int], boost: float = 1.0) -> PhraseTrie:
    return PhraseTrie([Phrase(tuple(tokens), boost) for tokens in phrases], ENDS_WORD)


def given_along(trie: PhraseTrie, tokens: Sequence[int]) -> list[float]:
    """What each token and the end were worth."""
    states, amounts = trie.start(1), []
    for token in (*tokens, END):
        amounts.append(float(trie.amounts(states, np.array([[token]]))[0, 0]))
        states = trie.advance(states, np.array([token]))
    return amounts


def test_every_token_of_a_phrase_is_worth_its_boost() -> None:
    assert given_along(trie_of([1, 10, 2], boost=1.5), [1, 10, 2, 3]) == [1.5, 1.5, 1.5, 0, 0]


def test_an_unfinished_phrase_gives_all_back() -> None:
    assert given_along(trie_of([1, 10, 2]), [1, 10, 3]) == [1, 1, -2, 0]
    assert given_along(trie_of([1, 10, 2]), [1, 10]) == [1, 1, -2]
    assert given_along(trie_of([1, 10, 2]), [1, 10, 1, 10, 2]) == [1, 1, -1, 1, 1, 0]


def test_a_phrase_inside_a_longer_word_is_none() -> None:
    assert sum(given_along(trie_of([1]), [1, 10])) == 0
    assert sum(given_along(trie_of([1]), [1, COMMA, 2])) == 1
    assert sum(given_along(trie_of([1]), [1])) == 1


def test_a_phrase_that_begins_inside_another_is_heard() -> None:
    assert sum(given_along(trie_of([1, 2, 3], [2, 4]), [1, 2, 4])) == 2


def test_a_phrase_at_the_end_of_one_that_is_broken_off_counts() -> None:
    assert sum(given_along(trie_of([1, 2, 3], [2]), [1, 2, 4])) == 1


def test_a_longer_phrase_pays_each_token_once() -> None:
    assert given_along(trie_of([1], [1, 2]), [1, 2]) == [1, 1, 0]
    assert sum(given_along(trie_of([1], [1, 2, 3]), [1, 2, 4])) == 1


def test_no_phrases_change_nothing() -> None:
    trie = trie_of()
    assert trie.is_empty
    assert given_along(trie, [1, 10, 3]) == [0, 0, 0, 0]
    assert trie.matches([1, 2, 3]) == []


@given(phrase_tokens, token_lists)
def test_one_phrase_is_worth_its_whole_occurrences(phrase: tuple[int, ...], tokens: list[int]) -> None:
    padded = [*tokens, END]
    whole = [
        place
        for place in range(len(tokens))
        if tuple(tokens[place : place + len(phrase)]) == phrase and ENDS_WORD[padded[place + len(phrase)]]
    ]
    separate = all(later - earlier >= len(phrase) for earlier, later in pairwise(whole))
    if separate:  # a phrase that overlaps itself is paid for the tokens, not for the occurrences
        assert sum(given_along(trie_of(phrase), tokens)) == pytest.approx(len(phrase) * len(whole))


@given(phrase_lists, token_lists)
def test_nothing_is_left_of_phrases_that_never_became_whole(phrases: list[Phrase], tokens: list[int]) -> None:
    trie = PhraseTrie(phrases, ENDS_WORD)
    total = sum(given_along(trie, tokens))
    assert total >= -1e-5
    if not any(trie.matches(tokens[first:]) for first in range(len(tokens))):
        assert total == pytest.approx(0)


@given(phrase_lists, st.lists(token_lists, min_size=1, max_size=4))
def test_the_whole_vocabulary_gets_what_single_tokens_get(phrases: list[Phrase], rows: list[list[int]]) -> None:
    trie = PhraseTrie(phrases, ENDS_WORD)
    alone = []
    for row in rows:
        states = trie.start(1)
        for token in row:
            states = trie.advance(states, np.array([token]))
        alone.append(states[0])
    states = np.array(alone)
    every = np.broadcast_to(np.arange(VOCABULARY), (len(rows), VOCABULARY))
    scores = np.full((len(rows), VOCABULARY), 3.0, np.float32)
    trie.add_to(scores, states)
    amounts = trie.amounts(states, every)
    np.testing.assert_allclose(scores, 3.0 + amounts, atol=1e-5)
    for row, wanted in zip(amounts, trie.wanted(states), strict=True):
        unwanted = np.delete(row, wanted)
        assert (unwanted <= 1e-5).all()  # taken back, or let be: never more than what a phrase would get


def test_the_end_without_an_end_token_settles_as_the_end_token_does() -> None:
    trie = trie_of([1, 10, 2], [3])
    for tokens in ([1, 10], [1, 10, 2], [3], [4]):
        states = trie.start(1)
        for token in tokens:
            states = trie.advance(states, np.array([token]))
        assert trie.final_amounts(states)[0] == trie.amounts(states, np.array([[END]]))[0, 0]


def test_matches_are_the_longest_and_do_not_overlap() -> None:
    trie = trie_of([1], [1, 2], [2, 3], [4, 10])
    spans = [(match.first, match.end) for match in trie.matches([1, 2, 3, 5, 1, 10, 4, 10, 1])]
    assert spans == [(0, 2), (6, 8), (8, 9)]
