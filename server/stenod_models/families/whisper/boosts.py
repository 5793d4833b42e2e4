"""What is added to the scores of one step for the choice of a token: the noise of a temperature, favoured phrases."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Boosts = Callable[[IntArray], FloatArray]
"""Takes the last tokens (rows,), of no meaning at the first step; gives float32 (rows, vocabulary). Rows never grow."""


class Noise:
    """Gumbel noise from a generator per row, seeded by the window's own samples.

    The largest sum of score and Gumbel noise is a sample of the distribution ("Gumbel-max"; Maddison et al., "A*
    Sampling", 2014), so a graph that takes the largest score can sample.
    """

    def __init__(self, windows: Sequence[npt.NDArray[np.int16]], temperature: float, vocabulary: int) -> None:
        seeds = [[zlib.crc32(window.tobytes()), round(temperature * 10)] for window in windows]
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._temperature = temperature
        self._vocabulary = vocabulary

    def __call__(self, tokens: IntArray) -> FloatArray:
        drawn = [generator.gumbel(size=self._vocabulary) for generator in self._generators[: len(tokens)]]
        noise: FloatArray = (np.stack(drawn) * self._temperature).astype(np.float32)
        return noise


class Favoured(Protocol):
    """A PhraseTrie, a MarkBias; see beam.Fusion."""

    def start(self, rows: int) -> npt.NDArray[Any]: ...

    def advance(self, states: Any, tokens: IntArray) -> npt.NDArray[Any]: ...

    def add_to(self, scores: FloatArray, states: Any) -> None:
        """Add to the scores of the whole vocabulary, (rows, vocabulary), in place."""
        ...


class Favour:
    """Phrases that are easier to hear, marks that are set more or less readily."""

    def __init__(self, favoured: Favoured, vocabulary: int) -> None:
        self._favoured = favoured
        self._vocabulary = vocabulary
        self._states: npt.NDArray[Any] | None = None

    def __call__(self, tokens: IntArray) -> FloatArray:
        rows = len(tokens)
        before = self._states
        self._states = self._favoured.start(rows) if before is None else self._favoured.advance(before[:rows], tokens)
        boosts = np.zeros((rows, self._vocabulary), np.float32)
        self._favoured.add_to(boosts, self._states)
        return boosts


def together(parts: Sequence[Boosts]) -> Boosts | None:
    """The sum of all; None where there is nothing to add."""
    if not parts:
        return None
    return lambda tokens: np.sum([part(tokens) for part in parts], axis=0, dtype=np.float32)
