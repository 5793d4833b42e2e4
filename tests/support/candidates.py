"""What a step of a beam gives, from scores that a test makes up."""

import numpy as np

from stenod_models.decoding.beam import Candidates, FloatArray, IntArray


def candidates_of(log_probabilities: FloatArray, wanted: IntArray, count: int) -> Candidates:
    """From the log-probabilities of the whole vocabulary, (slots, vocabulary)."""
    count = min(count, log_probabilities.shape[1])
    # Stable, so that of equal scores the lowest token wins, as in an argmax.
    best = np.argsort(-log_probabilities, axis=1, kind="stable")[:, :count]
    return Candidates(
        best,
        np.take_along_axis(log_probabilities, best, axis=1),
        np.take_along_axis(log_probabilities, wanted, axis=1),
    )
