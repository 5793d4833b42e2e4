"""Token times from cross-attention by dynamic time warping, after openai/whisper's `timing.py`.

Attention of the chosen heads is standardised over the tokens, smoothed over time, averaged, and the cheapest
monotonic path through it says when each token is spoken. Whisper lets a token take no time; here every token takes
at least one frame, so the path is a sequence of token starts and each row of the table is a running minimum, which
numpy does at once: no loop over frames.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_FEWEST_FRAMES: Final = 3  # that can be reflected by two


def token_starts(attention: FloatArray) -> npt.NDArray[np.int64]:
    """First frame of each token.

    Args:
        attention: float32 (tokens, heads, frames), softmax over frames, valid frames only.

    Returns:
        int64 (tokens,), not descending, the first 0, all below `frames`. Strictly ascending unless there are more
        tokens than frames, when they are spread evenly.
    """
    tokens, _heads, frames = attention.shape
    if tokens == 0 or tokens > frames:
        return np.arange(tokens) * frames // max(tokens, 1)
    return cheapest_path(-emphasised(attention))


def emphasised(attention: FloatArray) -> FloatArray:
    """Standardised over tokens, median-filtered over time, averaged over heads: float32 (tokens, frames)."""
    standard = attention - attention.mean(axis=0)
    standard /= np.maximum(np.sqrt(np.square(standard).mean(axis=0)), 1e-10)
    mean: FloatArray = median_of_five(standard).mean(axis=1)
    return mean


def median_of_five(values: FloatArray) -> FloatArray:
    """Median over a centred window of five along the last axis, edges reflected; no NaN.

    Of two pairs, the smallest and the largest of the four cannot be the median of five: what is left of them and the
    one in the middle has the same median. Neighbouring windows share their pairs.
    """
    if values.shape[-1] < _FEWEST_FRAMES:
        return values
    padded = np.concatenate([values[..., 2:0:-1], values, values[..., -2:-4:-1]], axis=-1)
    lower = np.minimum(padded[..., :-1], padded[..., 1:])
    upper = np.maximum(padded[..., :-1], padded[..., 1:])
    low = np.maximum(lower[..., :-3], lower[..., 3:])
    high = np.minimum(upper[..., :-3], upper[..., 3:])
    median: FloatArray = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), values))
    return median


def cheapest_path(cost: FloatArray) -> npt.NDArray[np.int64]:
    """First frame of each token on the monotonic path of least cost; `cost` is (tokens, frames), tokens <= frames.

    With C the running sum of a token's costs, the best cost of ending token i at frame j is
    C_i[j] + min over starts s <= j of (best_{i-1}[s - 1] - C_i[s - 1]).
    """
    tokens, frames = cost.shape
    sums = np.zeros((tokens, frames + 1))
    np.cumsum(cost, axis=1, out=sums[:, 1:])
    openings = np.empty((tokens, frames))  # openings[i, s]: cost of everything before, if token i starts at s
    before = np.full(frames, np.inf)
    before[0] = 0.0
    for token in range(tokens):
        openings[token] = before - sums[token, :-1]
        best = np.minimum.accumulate(openings[token]) + sums[token, 1:]
        before[0] = np.inf
        before[1:] = best[:-1]
    starts = np.empty(tokens, np.int64)
    end = frames
    for token in range(tokens - 1, -1, -1):
        end = starts[token] = int(np.argmin(openings[token, :end]))
    return starts
