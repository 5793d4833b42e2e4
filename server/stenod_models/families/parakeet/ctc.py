"""Greedy CTC: the likeliest token of each frame, repeats merged, blanks dropped.

Graves, Fernandez, Gomez and Schmidhuber, "Connectionist Temporal Classification", ICML 2006.
"""

import numpy as np
import numpy.typing as npt

from stenod_models.families.parakeet.emissions import Emissions


def collapse(tokens: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32], blank: int) -> Emissions:
    """`tokens` and `probabilities` are of each frame. A token's probability is the mean of its frames."""
    found = Emissions()
    if not len(tokens):
        return found
    changes = np.flatnonzero(np.diff(tokens)) + 1
    for start, end in zip([0, *changes], [*changes, len(tokens)], strict=True):
        if tokens[start] != blank:
            probability = float(probabilities[start:end].mean())
            found.add(int(tokens[start]), start=int(start), end=int(end), probability=probability)
    return found
