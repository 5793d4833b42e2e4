"""Word error rate after the English normaliser of Whisper, on reference and hypothesis alike."""

from collections.abc import Mapping, Sequence
from functools import cache

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from bench.protocol import JOINED
from bench.recordings import Recording


@cache
def _normaliser() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()


def normalised(text: str) -> str:
    return str(_normaliser()(text))


def word_error_ratio(texts: Mapping[str, str], recordings: Sequence[Recording]) -> float:
    """Errors of all recordings ÷ words of all references; `texts` may be the one text of the joined file.

    A recording that has no text counts as said nothing.
    """
    references = [normalised(recording.text) for recording in recordings]
    if JOINED in texts:
        references, hypotheses = [" ".join(references)], [normalised(texts[JOINED])]
    else:
        hypotheses = [normalised(texts.get(recording.clip.id, "")) for recording in recordings]
    return float(jiwer.wer(references, hypotheses))
