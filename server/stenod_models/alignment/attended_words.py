"""Words with their times, from what a decoder attended to."""

from collections.abc import Sequence

import numpy as np

from stenod_models.alignment.dtw import FloatArray, token_starts
from stenod_models.alignment.word_times import WordSpan, times_of_words
from stenod_models.decoding.confidence import geometric_mean
from stenod_models.decoding.spellings import Span
from stenod_models.recogniser import Int16Audio, RecognisedWord


def attended_words(
    window: Int16Audio,
    words: Sequence[Span],
    attention: FloatArray,
    *,
    probabilities: Sequence[float],
    frame_samples: int,
) -> tuple[RecognisedWord, ...]:
    """`attention` is float32 (tokens, heads, frames of the window); that of an end token says where the last word ends.
    A word's confidence is the geometric mean of its tokens' `probabilities`.
    """
    starts = np.append(token_starts(attention), attention.shape[2])
    spans = [WordSpan(int(starts[word.first]), int(starts[word.last + 1])) for word in words]
    times = times_of_words(window, spans, frame_samples)
    return tuple(
        RecognisedWord(word.text, start, end, geometric_mean(probabilities[word.first : word.last + 1]))
        for word, (start, end) in zip(words, times, strict=True)
    )
