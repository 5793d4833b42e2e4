"""What a window says, from what the decoder gave: its language, whether anybody speaks, its words and their times.

Word times come from the cross-attention of the alignment heads by dynamic time warping, as in `timing.py` of
openai/whisper; a confidence is the geometric mean of the probabilities of the word's tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.alignment.attended_words import attended_words
from stenod_models.decoding.spellings import Span
from stenod_models.families.whisper.architecture import FRAME_SAMPLES, frames_of
from stenod_models.families.whisper.attempts import Attempt
from stenod_models.families.whisper.vocabulary import Vocabulary
from stenod_models.recogniser import Int16Audio, RecognisedWord, Recognition

FloatArray = npt.NDArray[np.float32]

# The mean log probability that a text needs where surely somebody speaks. It needs more, the likelier silence is.
_LEAST_LOG_PROBABILITY: Final = -2.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What one look at a window says: its language, and how probable it is that nobody speaks."""

    language: str
    confidence: float
    no_speech: float


def heard_in(logits: FloatArray, vocabulary: Vocabulary, language: str | None) -> Heard:
    """`logits` is float32 (vocabulary,) behind the start token; `language` is None where it is to be found out."""
    scores = logits.astype(np.float64) - logits.max()
    shares = np.exp(scores)
    no_speech = float(shares[vocabulary.no_speech] / shares.sum())
    if language is not None or not vocabulary.languages:
        return Heard(language or "en", 1.0, no_speech)
    codes, tokens = zip(*vocabulary.languages.items(), strict=True)
    chosen = np.exp(scores[list(tokens)] - scores[list(tokens)].max())
    best = int(chosen.argmax())
    return Heard(codes[best], float(chosen[best] / chosen.sum()), no_speech)


def is_silence(heard: Heard, attempt: Attempt) -> bool:
    """An unlikely text where perhaps nobody speaks is invented.

    openai/whisper drops what has a log probability below -1 and a no-speech probability above 0.6. Whisper base is
    surer than that of " you" in silence, and less sure that a tone is no speech; a limit that rises with the
    probability of silence parts the two better.
    """
    return attempt.log_probability < _LEAST_LOG_PROBABILITY * (1 - heard.no_speech)


def silent(heard: Heard) -> Recognition:
    return Recognition((), heard.language, heard.confidence, heard.no_speech)


def timed_words(window: Int16Audio, attempt: Attempt, words: Sequence[Span]) -> tuple[RecognisedWord, ...]:
    attention = _within(attempt.attention, frames_of(len(window)))
    return attended_words(
        window, words, attention, probabilities=attempt.hypothesis.probabilities, frame_samples=FRAME_SAMPLES
    )


def _within(attention: FloatArray, frames: int) -> npt.NDArray[np.float32]:
    """Attention to the window's own frames, as if there were no others."""
    own = attention[:, :, :frames]
    share: FloatArray = own / np.maximum(own.sum(axis=-1, keepdims=True), 1e-9)
    return share
