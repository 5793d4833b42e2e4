"""The role every family plays: a batch of windows in, the words of each window out. No Triton in here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from stenod_models.contract import Profile, RecognitionOptions

Int16Audio = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """One text piece with its punctuation. Offsets are samples from the start of the window; `0 <= start <= end`."""

    text: str
    start_samples: int
    end_samples: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """The words of one window, ordered by time, all inside the window."""

    words: tuple[RecognisedWord, ...]
    language: str
    language_confidence: float
    no_speech: float


class Recogniser(Protocol):
    """A loaded model. Not thread-safe: one caller at a time."""

    profile: Profile
    max_padding_ratio: float
    """The share of padding up to which batching windows of different lengths pays; 1 where nothing is padded."""

    def check(self, language: str, options: RecognitionOptions) -> None:
        """Raises ValueError for a language or an option that this model cannot honour."""
        ...

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        """Recognise windows as one batch.

        `windows` holds int16 arrays of shape (samples,) at 16 000 Hz, 1 to `profile.max_batch_size` of them.
        A window's result depends on nothing but itself, `language` and `options`.
        `is_cancelled(i)` is polled between decoding steps; a cancelled window gives None. CPU- or GPU-bound, blocks.

        Raises:
            ValueError: a window is longer than the last bucket, or the language or an option is not supported.
        """
        ...

    def warm(self) -> None:
        """Run every length bucket once, and one at the full batch, so that no request pays for first use."""
        ...


class Asked(Protocol):
    """A window that somebody waits for. It is answered once: with None where it was cancelled."""

    @property
    def audio(self) -> Int16Audio: ...

    def is_cancelled(self) -> bool: ...

    def answer(self, result: Recognition | None) -> None: ...


@runtime_checkable
class OpenRecogniser(Recogniser, Protocol):
    """One whose batch may stay open: a window that is done makes room for the next one at once."""

    def joins(self, options: RecognitionOptions) -> bool:
        """Whether a window with these options may be in the open batch."""
        ...

    def recognise_open(self, waiting: Callable[[], Asked | None]) -> None:
        """Recognise and answer windows as they come, until `waiting`, which does not block, gives None and all are
        answered. As for `recognise`, a window's result depends on nothing but itself. Meanwhile `recognise` may be
        called in another thread, for windows that do not join.

        Raises whatever a network raises; windows that were taken may be without an answer then.
        """
        ...
