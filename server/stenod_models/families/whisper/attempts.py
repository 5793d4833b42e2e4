"""Decoding a batch, and decoding again what came out badly, after `decode_with_fallback` of openai/whisper.

A window is decoded greedily; where the text repeats itself, is unlikely or does not end, it is sampled at rising
temperatures until it is none of these ("Robust Speech Recognition via Large-Scale Weak Supervision", section 4.5). The
noise is seeded by the window's own samples: so a window gives the same alone and in every batch.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import Hotword
from stenod_models.decoding.greedy import Hypothesis, decode_greedy
from stenod_models.families.whisper.boosts import Boosts
from stenod_models.families.whisper.sessions import NO_BOOSTS, DecoderRun, EncodedBatch
from stenod_models.families.whisper.vocabulary import Vocabulary

FloatArray = npt.NDArray[np.float32]

TEMPERATURES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_COMPRESSION_RATIO: Final = 2.4
_LEAST_LOG_PROBABILITY: Final = -1.0
_LEAST_BYTES: Final = 32  # a shorter text says nothing of repetition


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decoding of one window. `attention` is float32 (tokens and the end, heads, frames); `log_probability` the
    mean of all tokens and the end.
    """

    hypothesis: Hypothesis
    log_probability: float
    compression_ratio: float
    attention: FloatArray
    temperature: float

    @property
    def is_sound(self) -> bool:
        return (
            self.hypothesis.ended
            and self.compression_ratio <= _MOST_COMPRESSION_RATIO
            and self.log_probability >= _LEAST_LOG_PROBABILITY
        )


@dataclass(frozen=True, slots=True)
class PromptedBatch:
    """Windows to decode: `prompts` is int64 (rows, tokens)."""

    windows: Sequence[npt.NDArray[np.int16]]
    encoded: EncodedBatch
    prompts: npt.NDArray[np.int64]
    hotwords: tuple[Hotword, ...]

    def only(self, rows: Sequence[int]) -> "PromptedBatch":
        chosen = [self.windows[row] for row in rows]
        return PromptedBatch(chosen, self.encoded.only(rows), self.prompts[list(rows)], self.hotwords)


@dataclass(slots=True)
class PromptedRun:
    """A decoding.greedy.Step: the first call takes each row's prompt, whatever token it is given.

    `prompts` is int64 (rows, tokens); `boosts` are added for the choice of each token.
    """

    run: DecoderRun
    prompts: npt.NDArray[np.int64]
    suppressed_first: FloatArray
    suppressed: FloatArray
    boosts: Boosts | None = None
    log_probabilities: list[FloatArray] = field(default_factory=list)

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], FloatArray]:
        boosts = NO_BOOSTS if self.boosts is None else self.boosts(tokens)
        first = not self.log_probabilities
        following, logs = self.run.advance(
            self.prompts if first else tokens[:, None],
            self.suppressed_first if first else self.suppressed,
            boosts,
        )
        self.log_probabilities.append(logs.copy())
        return following, np.exp(logs)


def decode(
    step: PromptedRun,
    cap: int,
    *,
    vocabulary: Vocabulary,
    is_cancelled: Callable[[int], bool],
    temperature: float,
) -> list[Attempt | None]:
    """One attempt at each row; a cancelled row gives None."""
    end = vocabulary.end
    rows = decode_greedy(step, [cap] * len(step.prompts), start_token=end, end_token=end, is_cancelled=is_cancelled)
    return [
        None if row is None else _attempt(step, place, row, b"".join(map(vocabulary.bytes_of, row.tokens)), temperature)
        for place, row in enumerate(rows)
    ]


def _attempt(step: PromptedRun, row: int, hypothesis: Hypothesis, text: bytes, temperature: float) -> Attempt:
    count = len(hypothesis.tokens) + hypothesis.ended
    logs = [values[row] for values in step.log_probabilities[:count]]
    return Attempt(
        hypothesis,
        float(np.mean(logs)) if logs else 0.0,
        compression_ratio(text),
        step.run.attention[:count, row, :, 0].copy(),
        temperature,
    )


def compression_ratio(text: bytes) -> float:
    """How many times shorter zlib makes the text: repeated text more than any other."""
    return len(text) / len(zlib.compress(text)) if len(text) >= _LEAST_BYTES else 1.0


def better(one: Attempt | None, other: Attempt) -> Attempt:
    """The one to keep: a sound one, else one that does not repeat itself, else the likelier."""
    if one is None:
        return other

    def rank(attempt: Attempt) -> tuple[bool, bool, float]:
        return attempt.is_sound, attempt.compression_ratio <= _MOST_COMPRESSION_RATIO, attempt.log_probability

    return other if rank(other) > rank(one) else one
