import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.alignment.dtw import cheapest_path, median_filtered, token_starts


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


def test_the_median_removes_a_spike_and_keeps_the_length() -> None:
    values = np.zeros((1, 9), np.float32)
    values[0, 4] = 9.0
    assert median_filtered(values, 5).tolist() == np.zeros((1, 9)).tolist()
    assert median_filtered(values[:, :2], 5).shape == (1, 2)
