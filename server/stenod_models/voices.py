"""The role of a model of voices: a batch of windows in, who speaks when in each of them out. No Triton in here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stenod_models.contract import VoicesProfile
from stenod_models.recogniser import Int16Audio

FloatArray = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class HeardVoices:
    """The voices of one window. Spans are ordered by their start and lie inside the window, `start < end`, in samples;
    those of two voices may overlap. `span_voice` (spans,) counts the rows of `embeddings` (voices, dimensions), each
    of length 1; `clean_samples` (voices,) is how much speech of that voice alone its row is made of.
    """

    span_start_samples: Int32Array
    span_end_samples: Int32Array
    span_voice: Int32Array
    embeddings: FloatArray
    clean_samples: Int32Array


class VoicesModel(Protocol):
    """A loaded model. Not thread-safe: one caller at a time."""

    profile: VoicesProfile

    def voices(
        self, windows: Sequence[Int16Audio], *, is_cancelled: Callable[[int], bool] = lambda _index: False
    ) -> list[HeardVoices | None]:
        """Who speaks when in windows of int16 (samples,) at 16 000 Hz, computed as one batch.

        A window's result depends on nothing but itself. `is_cancelled(i)` is polled between the networks; a cancelled
        window gives None. CPU-bound, blocks. Raises ValueError for a window that is longer than the profile's longest.
        """
        ...

    def warm(self) -> None:
        """Run every shape once, so that no request pays for first use."""
        ...
