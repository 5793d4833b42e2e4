"""Greedy decoding with phrases is what a slow decoder, one row and one frame at a time, makes of all scores."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.favour import FavouringTransducer, favoured_frames
from stenod_models.families.parakeet.label_looping import decode_transducer
from stenod_models.families.parakeet.search import Search, search_ctc
from tests.support.slow_parakeet import ctc_frames, transduced
from tests.unit.models.parakeet.scripted import (
    BLANK,
    LABELS,
    LIMITS,
    FloatArray,
    ScriptedScores,
    architecture_of,
    head_of,
    trie_of,
)

BATCHES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 25)), min_size=1, max_size=5)
PHRASES = st.lists(
    st.tuples(
        st.lists(st.integers(0, LABELS - 1), min_size=1, max_size=3).map(tuple), st.sampled_from([0.5, 3.0, 20.0])
    ),
    max_size=4,
)
FRAMES = st.tuples(st.integers(0, 1000), st.integers(1, 40))


def decode(batch: Sequence[tuple[int, int]], trie: PhraseTrie, *, has_durations: bool) -> list[Emissions | None]:
    head = head_of(has_durations=has_durations)
    model = ScriptedScores([seed for seed, _length in batch], head)
    favouring = FavouringTransducer(model, head, trie, rows=len(batch))
    return decode_transducer(favouring, [length for _seed, length in batch], LIMITS)


def slowly(seed: int, length: int, trie: PhraseTrie, *, has_durations: bool) -> tuple[list[int], list[int]]:
    head = head_of(has_durations=has_durations)
    model = ScriptedScores([seed], head)
    shape = architecture_of(head)
    tokens, starts, _margin = transduced(lambda said, frame: model.logits(0, frame, said).tolist(), length, shape, trie)
    return tokens, starts


@settings(deadline=None, max_examples=40)
@given(batch=BATCHES, phrases=PHRASES, has_durations=st.booleans())
def test_a_batch_says_what_the_slow_decoder_says(
    batch: list[tuple[int, int]],
    phrases: list[tuple[tuple[int, ...], float]],
    has_durations: bool,  # noqa: FBT001
) -> None:
    trie = trie_of(*phrases)
    found = decode(batch, trie, has_durations=has_durations)
    wanted = [slowly(seed, length, trie, has_durations=has_durations) for seed, length in batch]
    assert [(row.tokens, row.starts) for row in found if row] == wanted


@settings(deadline=None, max_examples=40)
@given(batch=BATCHES, has_durations=st.booleans())
def test_a_boost_of_nothing_changes_nothing(batch: list[tuple[int, int]], has_durations: bool) -> None:  # noqa: FBT001
    assert decode(batch, trie_of(((0, 2), 0.0), ((1,), 0.0)), has_durations=has_durations) == decode(
        batch, trie_of(), has_durations=has_durations
    )


def test_a_phrase_is_heard_where_something_is_said() -> None:
    plain, favoured = (
        decode([(3, 60)], trie, has_durations=True)[0] for trie in (trie_of(), trie_of(((0, 2, 3), 20.0)))
    )
    assert plain is not None
    assert favoured is not None
    assert count_of([0, 2, 3], favoured.tokens) > count_of([0, 2, 3], plain.tokens) + 3


def count_of(phrase: list[int], tokens: list[int]) -> int:
    return sum(tokens[place : place + len(phrase)] == phrase for place in range(len(tokens)))


def test_no_boost_makes_a_token_of_a_blank() -> None:
    logits = np.full((6, LABELS + 1), -3.0, np.float32)
    logits[:, BLANK] = -2.9
    found = search_ctc(logits, BLANK, Search(trie=trie_of(((1, 2), 20.0))))
    assert found.tokens == []


def test_a_favoured_token_has_the_models_own_probability() -> None:
    logits = np.array([[1.0, 2.0, -9.0, -9.0, -9.0]], np.float32)
    found = search_ctc(logits, BLANK, Search(trie=trie_of(((0,), 5.0))))
    assert found.tokens == [0]
    assert found.probabilities == pytest.approx([1 / (1 + np.e)], abs=1e-4)


def frames_of(seed: int, length: int) -> FloatArray:
    random = np.random.default_rng(seed)
    frames = np.repeat(random.normal(0, 2, (length, LABELS + 1)), random.integers(1, 4, length), axis=0)
    noisy: FloatArray = (frames + random.normal(0, 0.3, frames.shape)).astype(np.float32)
    return noisy


@settings(deadline=None, max_examples=40)
@given(one=FRAMES, phrases=PHRASES)
def test_ctc_frames_are_what_the_slow_decoder_says(
    one: tuple[int, int], phrases: list[tuple[tuple[int, ...], float]]
) -> None:
    frames, trie = frames_of(*one), trie_of(*phrases)
    assert favoured_frames(frames.argmax(axis=1), frames, trie, BLANK).tolist() == ctc_frames(frames, trie, BLANK)


@settings(deadline=None, max_examples=40)
@given(one=FRAMES)
def test_ctc_frames_without_a_boost_stay(one: tuple[int, int]) -> None:
    frames = frames_of(*one)
    best = frames.argmax(axis=1)
    assert favoured_frames(best, frames, trie_of(((0, 2), 0.0)), BLANK).tolist() == best.tolist()


def test_a_ctc_phrase_is_heard() -> None:
    frames = np.full((5, LABELS + 1), -9.0, np.float32)
    for place, (token, rival) in enumerate([(1, 0), (1, 0), (BLANK, 0), (3, 2), (BLANK, 2)]):
        frames[place, [token, rival]] = 0.0, -1.0
    assert favoured_frames(frames.argmax(axis=1), frames, trie_of(((0, 2), 3.0)), BLANK).tolist() == [
        0,
        0,
        BLANK,
        2,
        BLANK,
    ]
