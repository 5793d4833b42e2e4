"""Compared with greedy decoding and with trying every sequence, on random models that look at the whole prefix."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_models.decoding.beam import BeamHypothesis, BeamSearch, Candidates, Fusion, decode_beam
from stenod_models.decoding.greedy import decode_greedy
from stenod_models.decoding.hotwords import Phrase, PhraseTrie
from tests.support.candidates import candidates_of

IntArray = npt.NDArray[np.int64]
START, END = 1, 2


class RandomModel:
    """Log-probabilities by seed and prefix. The same numbers as a step of a greedy search and of a beam."""

    def __init__(self, seeds: Sequence[int], *, vocabulary: int = 6, beam_size: int = 1, end_bias: float = 0.0) -> None:
        self.seeds = seeds
        self.vocabulary = vocabulary
        self.end_bias = end_bias
        self.beam_size = beam_size
        self.prefixes: list[tuple[int, ...]] = [() for _ in range(len(seeds) * beam_size)]
        self.sizes: list[int] = []

    def log_probabilities(self, seed: int, prefix: tuple[int, ...]) -> npt.NDArray[np.float32]:
        logits = np.random.default_rng([seed, *prefix]).normal(0, 2, self.vocabulary)
        logits[END] += self.end_bias
        logits[START] = -30
        scores: npt.NDArray[np.float32] = (logits - np.log(np.exp(logits).sum())).astype(np.float32)
        return scores

    def scores(self, tokens: IntArray, parents: IntArray) -> npt.NDArray[np.float32]:
        self.sizes.append(len(tokens))
        self.prefixes = [(*self.prefixes[parent], int(token)) for parent, token in zip(parents, tokens, strict=True)]
        return np.array(
            [
                self.log_probabilities(self.seeds[slot // self.beam_size], prefix)
                for slot, prefix in enumerate(self.prefixes)
            ]
        )

    def greedy_step(self, tokens: IntArray) -> tuple[IntArray, npt.NDArray[np.float32]]:
        scores = self.scores(tokens, np.arange(len(tokens)))
        return scores.argmax(axis=1), np.exp(scores.max(axis=1))

    def beam_step(self, tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        return candidates_of(self.scores(tokens, parents), wanted, 2 * self.beam_size)


def never(_row: int) -> bool:
    return False


def beam(
    model: RandomModel,
    caps: Sequence[int],
    *,
    fusions: Sequence[Fusion] = (),
    length_penalty: float = 1.0,
    is_cancelled: Callable[[int], bool] = never,
) -> list[BeamHypothesis | None]:
    search = BeamSearch(
        beam_size=model.beam_size,
        start_token=START,
        end_token=END,
        length_penalty=length_penalty,
        fusions=fusions,
    )
    return decode_beam(model.beam_step, caps, search, is_cancelled=is_cancelled)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40)), min_size=1, max_size=5), st.integers(-6, 2))
def test_a_beam_of_one_is_greedy(rows: list[tuple[int, int]], end_bias: int) -> None:
    seeds, caps = zip(*rows, strict=True)
    greedy, one = (RandomModel(seeds, vocabulary=4, end_bias=end_bias) for _ in range(2))
    expected = decode_greedy(greedy.greedy_step, caps, start_token=START, end_token=END, is_cancelled=never)
    for found, row in zip(beam(one, caps), expected, strict=True):
        assert found is not None
        assert row is not None
        assert (found.tokens, found.ended) == (row.tokens, row.ended)
        assert found.probabilities == pytest.approx(row.probabilities, rel=1e-5)
    assert one.sizes == greedy.sizes


def every_sequence(cap: int, vocabulary: int) -> Iterator[tuple[int, ...]]:
    """All that may be said: with the end token below the cap, or cut off at it."""
    words = [token for token in range(vocabulary) if token != END]
    for length in range(cap):
        yield from ((*said, END) for said in product(words, repeat=length))
    yield from product(words, repeat=cap)


def worth(
    model: RandomModel, seed: int, tokens: Sequence[int], trie: PhraseTrie | None, length_penalty: float
) -> float:
    total, states = 0.0, np.zeros(1, np.int64)
    for place, token in enumerate(tokens):
        total += float(model.log_probabilities(seed, (START, *tokens[:place]))[token])
        if trie:
            total += float(trie.amounts(states, np.array([[token]]))[0, 0])
            states = trie.advance(states, np.array([token]))
    if trie and (not tokens or tokens[-1] != END):
        total += float(trie.final_amounts(states)[0])
    return total / float(max(1, len(tokens)) ** length_penalty)


@pytest.mark.parametrize("with_phrases", [False, True])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_wide_enough_finds_the_best_of_all_sequences(
    *, seed: int, length_penalty: float, with_phrases: bool
) -> None:
    cap, vocabulary = 4, 5
    phrases = [Phrase((3, 4), 2.0), Phrase((0,), 1.0)]
    trie = PhraseTrie(phrases, np.ones(vocabulary, np.bool_)) if with_phrases else None
    model = RandomModel([seed, seed + 100], vocabulary=vocabulary, beam_size=400)
    found = beam(model, [cap, cap], fusions=[trie] if trie else [], length_penalty=length_penalty)
    for row, row_seed in enumerate(model.seeds):
        hypothesis = found[row]
        assert hypothesis is not None
        scores = {
            tokens: worth(model, row_seed, tokens, trie, length_penalty) for tokens in every_sequence(cap, vocabulary)
        }
        best = max(scores, key=lambda tokens: scores[tokens])
        assert (*hypothesis.tokens, *([END] if hypothesis.ended else [])) == best
        assert hypothesis.score == pytest.approx(scores[best], abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 12)), min_size=2, max_size=4), st.sampled_from([2, 3, 5])
)
def test_a_row_does_not_depend_on_its_batch(rows: list[tuple[int, int]], beam_size: int) -> None:
    seeds, caps = zip(*rows, strict=True)
    trie = PhraseTrie([Phrase((3, 4), 1.0)], np.ones(6, np.bool_))
    together = beam(RandomModel(seeds, beam_size=beam_size), caps, fusions=[trie])
    for row, (seed, cap) in enumerate(rows):
        (alone,) = beam(RandomModel([seed], beam_size=beam_size), [cap], fusions=[trie])
        mate = together[row]
        assert mate is not None
        assert alone is not None
        assert (mate.tokens, mate.score) == (alone.tokens, alone.score)
        assert [slot - row * beam_size for slot in mate.slots] == alone.slots


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4]))
def test_slots_say_where_each_token_was_given(seed: int, beam_size: int) -> None:
    model = RandomModel([seed], beam_size=beam_size)
    given_by: list[list[tuple[int, ...]]] = []

    def step(tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        found = model.beam_step(tokens, parents, wanted)
        given_by.append(model.prefixes)
        return found

    search = BeamSearch(beam_size=beam_size, start_token=START, end_token=END)
    (hypothesis,) = decode_beam(step, [8], search, is_cancelled=never)
    assert hypothesis is not None
    assert len(hypothesis.slots) == len(hypothesis.tokens) + hypothesis.ended
    for place, slot in enumerate(hypothesis.slots):
        assert given_by[place][slot] == (START, *hypothesis.tokens[:place])


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    found = [beam(RandomModel(range(40), beam_size=size, end_bias=-4), [6] * 40) for size in (1, 5)]
    better = sum(wide.score > narrow.score for narrow, wide in zip(*found, strict=True) if narrow and wide)
    assert better > 10


def test_a_phrase_too_unlikely_to_be_among_the_best_is_heard() -> None:
    model = RandomModel([7], vocabulary=50, beam_size=1)
    unlikely = int(np.argsort(model.log_probabilities(7, (START,)))[5])
    trie = PhraseTrie([Phrase((unlikely,), 20.0)], np.ones(50, np.bool_))
    (hypothesis,) = beam(model, [1], fusions=[trie])
    assert hypothesis is not None
    assert hypothesis.tokens == [unlikely]
    assert hypothesis.probabilities[0] < 0.01  # what the model thought, not what was added


def test_loops_are_cut_in_every_hypothesis() -> None:
    loop = [5, 4, 3]

    def step(tokens: IntArray, _parents: IntArray, wanted: IntArray) -> Candidates:
        scores = np.full((len(tokens), 6), -9.0, np.float32)
        for slot, token in enumerate(tokens):
            scores[slot, loop[(loop.index(token) + 1) % 3] if token in loop else loop[0]] = -0.01
        return candidates_of(scores, wanted, 4)

    search = BeamSearch(beam_size=2, start_token=START, end_token=END)
    (hypothesis,) = decode_beam(step, [200], search, is_cancelled=never)
    assert hypothesis is not None
    assert hypothesis.tokens == loop


def test_a_cancelled_row_gives_none_and_the_others_go_on() -> None:
    seeds = [1, 2, 3]
    alone = beam(RandomModel(seeds, beam_size=3, end_bias=-9), [9] * 3)
    model = RandomModel(seeds, beam_size=3, end_bias=-9)
    found = beam(model, [9] * 3, is_cancelled=lambda row: row == 2 and len(model.sizes) >= 4)
    assert found == [alone[0], alone[1], None]
    assert model.sizes == [9] * 4 + [6] * 5


def test_no_steps_where_nothing_may_be_said() -> None:
    model = RandomModel([1], beam_size=3)
    assert beam(model, [0]) == [BeamHypothesis([], [])]
    assert model.sizes == []
