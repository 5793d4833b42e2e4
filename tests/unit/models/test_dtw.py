import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.alignment.dtw import cheapest_path, emphasised, median_of_five, token_starts


def brute_force(cost: npt.NDArray[np.float32]) -> float:
    """The cheapest way to give each token one frame or more, in order."""
    tokens, frames = cost.shape
    best = np.full((tokens, frames), np.inf)
    for j in range(frames):
        for i in range(min(tokens, j + 1)):
            before = (
                0.0 if i == j == 0 else min(best[i, j - 1] if j else np.inf, best[i - 1, j - 1] if i and j else np.inf)
            )
            best[i, j] = cost[i, j] + before
    return float(best[-1, -1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_the_path_is_the_cheapest_one(tokens: int, spare: int, seed: int) -> None:
    cost = np.random.default_rng(seed).normal(size=(tokens, tokens + spare)).astype(np.float32)
    starts = cheapest_path(cost)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    ends = np.append(starts[1:], cost.shape[1])
    total = sum(cost[token, start:end].sum() for token, (start, end) in enumerate(zip(starts, ends, strict=True)))
    assert np.isclose(total, brute_force(cost), atol=1e-4)


def test_tokens_start_where_their_attention_jumps() -> None:
    attention = np.full((3, 2, 30), 0.01, np.float32)
    for token, (first, end) in enumerate([(0, 8), (8, 20), (20, 30)]):
        attention[token, :, first:end] = 1.0
    assert token_starts(attention).tolist() == [0, 8, 20]


def test_more_tokens_than_frames_are_spread() -> None:
    starts = token_starts(np.ones((10, 1, 4), np.float32))
    assert starts.tolist() == sorted(starts.tolist())
    assert starts[0] == 0
    assert starts[-1] < 4


def test_no_tokens_have_no_starts() -> None:
    assert token_starts(np.ones((0, 2, 5), np.float32)).shape == (0,)


def test_the_median_removes_a_spike() -> None:
    values = np.zeros((1, 9), np.float32)
    values[0, 4] = 9.0
    assert median_of_five(values).tolist() == np.zeros((1, 9)).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(3, 20), st.integers(2, 1000), st.integers(0, 2**32 - 1))
def test_the_median_is_the_middle_of_five_sorted_values(rows: int, frames: int, levels: int, seed: int) -> None:
    """Few levels give many equal values."""
    values = np.random.default_rng(seed).integers(-levels, levels, (2, rows, frames)).astype(np.float32)
    padded = np.pad(values, [(0, 0), (0, 0), (2, 2)], mode="reflect")
    middle = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=-1), axis=-1)[..., 2]
    assert np.array_equal(median_of_five(values), middle)


@pytest.mark.parametrize("frames", [1, 2])
def test_what_is_too_short_to_reflect_stays(frames: int) -> None:
    values = np.arange(frames, dtype=np.float32).reshape(1, frames)
    assert np.array_equal(median_of_five(values), values)


def test_attention_is_standardised_over_the_tokens() -> None:
    attention = np.random.default_rng(0).random((7, 2, 30), np.float32)
    standard = (attention - attention.mean(axis=0)) / attention.std(axis=0)
    assert np.array_equal(emphasised(attention), median_of_five(standard).mean(axis=1))
