"""Decoding a batch, and decoding again what came out badly, after `decode_with_fallback` of openai/whisper.

A window is decoded greedily or by a beam; where the text repeats itself, is unlikely or does not end, it is sampled at
rising temperatures until it is none of these ("Robust Speech Recognition via Large-Scale Weak Supervision", section
4.5). The noise is seeded by the window's own samples: so a window gives the same alone and in every batch.

Hypotheses of a beam are compared by the mean log probability of their tokens with the end, and a search is over when as
many have ended as the beam is wide: like `generate` of transformers with early stopping, and openai/whisper with a
patience of 1.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import RecognitionOptions
from stenod_models.decoding.beam import BeamHypothesis, BeamSearch, Candidates, decode_beam
from stenod_models.decoding.greedy import Hypothesis, decode_greedy
from stenod_models.families.whisper.boosts import Boosts
from stenod_models.families.whisper.sessions import NO_BOOSTS, DecoderRun, EncodedBatch
from stenod_models.families.whisper.vocabulary import Vocabulary

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

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
    prompts: IntArray
    options: RecognitionOptions

    def only(self, rows: Sequence[int]) -> "PromptedBatch":
        chosen = [self.windows[row] for row in rows]
        return PromptedBatch(chosen, self.encoded.only(rows), self.prompts[list(rows)], self.options)


@dataclass(slots=True)
class PromptedRun:
    """A decoding.greedy.Step: the first call takes each row's prompt, whatever token it is given.

    `prompts` is int64 (rows, tokens); `boosts` are added for the choice of each token.
    """

    run: DecoderRun
    prompts: IntArray
    suppressed_first: FloatArray
    suppressed: FloatArray
    boosts: Boosts | None = None
    log_probabilities: list[FloatArray] = field(default_factory=list)

    def __call__(self, tokens: IntArray) -> tuple[IntArray, FloatArray]:
        boosts = NO_BOOSTS if self.boosts is None else self.boosts(tokens)
        first = not self.log_probabilities
        following, logs = self.run.advance(
            self.prompts if first else tokens[:, None],
            self.suppressed_first if first else self.suppressed,
            boosts,
        )
        self.log_probabilities.append(logs.copy())
        return following, np.exp(logs)


@dataclass(slots=True)
class PromptedBeam:
    """A decoding.beam.BeamStep: the first call takes each row's prompt for all its hypotheses. `prompts` as above."""

    run: DecoderRun
    prompts: IntArray
    suppressed_first: FloatArray
    suppressed: FloatArray
    _is_first: bool = True

    def __call__(self, tokens: IntArray, parents: IntArray, wanted: IntArray) -> Candidates:
        if not self._is_first:
            return self.run.extend(tokens[:, None], parents, self.suppressed, wanted)
        self._is_first = False
        prompts = np.repeat(self.prompts[: len(tokens) // self.run.beam_size], self.run.beam_size, axis=0)
        return self.run.extend(prompts, parents, self.suppressed_first, wanted)

    def attention_of(self, row: int, hypothesis: BeamHypothesis) -> FloatArray:
        """What the tokens and the end were predicted with: float32 (tokens, heads, frames)."""
        places = np.array(hypothesis.slots, np.int64) - row * self.run.beam_size
        attention: FloatArray = self.run.attention[np.arange(len(places)), row, :, places]
        return attention


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
        None if row is None else _attempt(step, place, row, _ratio_of(vocabulary, row), temperature)
        for place, row in enumerate(rows)
    ]


def decode_by_beam(
    step: PromptedBeam,
    cap: int,
    search: BeamSearch,
    *,
    vocabulary: Vocabulary,
    is_cancelled: Callable[[int], bool],
) -> list[Attempt | None]:
    """As `decode`, without a temperature."""
    rows = decode_beam(step, [cap] * len(step.prompts), search, is_cancelled=is_cancelled)
    return [
        None
        if row is None
        else Attempt(
            row,
            row.log_probability / max(1, len(row.slots)),
            _ratio_of(vocabulary, row),
            step.attention_of(place, row),
            temperature=0.0,
        )
        for place, row in enumerate(rows)
    ]


def _attempt(step: PromptedRun, row: int, hypothesis: Hypothesis, ratio: float, temperature: float) -> Attempt:
    count = len(hypothesis.tokens) + hypothesis.ended
    logs = [values[row] for values in step.log_probabilities[:count]]
    mean = float(np.mean(logs)) if logs else 0.0
    return Attempt(hypothesis, mean, ratio, step.run.attention[:count, row, :, 0].copy(), temperature)


def _ratio_of(vocabulary: Vocabulary, hypothesis: Hypothesis) -> float:
    return compression_ratio(b"".join(map(vocabulary.bytes_of, hypothesis.tokens)))


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
