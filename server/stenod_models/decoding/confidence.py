"""How sure a model is of several tokens."""

from collections.abc import Sequence

import numpy as np


def geometric_mean(probabilities: Sequence[float]) -> float:
    """Of one probability or more, 0..1 each."""
    return float(np.exp(np.log(np.maximum(probabilities, 1e-9)).mean()))
