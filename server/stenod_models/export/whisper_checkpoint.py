"""A Whisper checkpoint in memory, whatever format it came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.families.whisper.architecture import Architecture

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`tensors` have the names of Hugging Face's `WhisperModel`, without `model.`; `tokens` one entry per number, empty
    where a number has no token.
    """

    architecture: Architecture
    tensors: Tensors
    tokens: tuple[str, ...]

    def float32(self, name: str) -> npt.NDArray[np.float32]:
        """Raises KeyError for a tensor that is not there."""
        return self.tensors[name].astype(np.float32, copy=False)


def padded_tokens(tokens: Mapping[int, str], size: int) -> tuple[str, ...]:
    """One entry per number below `size`."""
    return tuple(tokens.get(number, "") for number in range(size))
