import numpy as np
import pytest

from stenod_models.decoding.greedy import Hypothesis
from stenod_models.decoding.spellings import Span
from stenod_models.families.whisper.architecture import FRAME_SAMPLES, checked_heads, default_alignment_heads
from stenod_models.families.whisper.attempts import Attempt, better, compression_ratio
from stenod_models.families.whisper.transcript import Heard, heard_in, is_silence, timed_words
from stenod_models.families.whisper.vocabulary import Vocabulary
from tests.support.whisper_checkpoints import tokens

LISTED = tokens()
VOCABULARY = Vocabulary(LISTED, multilingual=True)


def attempt(log_probability: float = -0.2, ratio: float = 1.5, *, ended: bool = True) -> Attempt:
    return Attempt(Hypothesis([1], [0.5], ended=ended), log_probability, ratio, np.ones((2, 1, 1), np.float32), 0.0)


def test_the_language_is_the_likeliest_with_its_share_of_all_languages() -> None:
    logits = np.full(len(LISTED), -9.0, np.float32)
    logits[LISTED.index("<|de|>")] = 2.0
    logits[LISTED.index("<|fr|>")] = 1.0
    logits[LISTED.index("<|nospeech|>")] = 2.0
    heard = heard_in(logits, VOCABULARY, None)
    assert heard.language == "de"
    assert heard.confidence == pytest.approx(1 / (1 + np.exp(-1.0)), abs=1e-3)
    assert heard.no_speech == pytest.approx(1 / (2 + np.exp(-1.0)), abs=1e-2)
    assert heard_in(logits, VOCABULARY, "fr") == Heard("fr", 1.0, heard.no_speech)


@pytest.mark.parametrize(
    ("found", "sound"),
    [
        (attempt(), True),
        (attempt(log_probability=-1.01), False),
        (attempt(ratio=2.41), False),
        (attempt(ended=False), False),
    ],
)
def test_a_bad_attempt_is_told(found: Attempt, sound: bool) -> None:  # noqa: FBT001
    assert found.is_sound is sound


def test_the_better_attempt_is_sound_then_free_of_repetition_then_likely() -> None:
    unlikely, repeated, sound = attempt(-3.0), attempt(-0.1, 3.0), attempt(-0.9)
    assert better(None, repeated) is repeated
    assert better(repeated, unlikely) is unlikely
    assert better(unlikely, repeated) is unlikely
    assert better(unlikely, sound) is sound
    assert better(sound, unlikely) is sound
    assert better(attempt(-2.0), unlikely) is not unlikely


def test_repeated_text_compresses_well() -> None:
    assert compression_ratio(b"and then " * 20) > 2.4
    assert compression_ratio(b"it was the best of times, it was the worst of times, it was an age") < 2.4
    assert compression_ratio(b"no no no no") == 1.0


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "silent"),
    [
        # Measured with Whisper base on recordings without speech …
        (0.93, -0.45, True),
        (0.84, -0.77, True),
        (0.38, -1.48, True),
        (0.45, -2.58, True),
        # … and on speech.
        (0.05, -0.2, False),
        (0.3, -0.9, False),
        (0.01, -1.5, False),
    ],
)
def test_unlikely_text_where_nobody_speaks_is_invented(no_speech: float, log_probability: float, silent: bool) -> None:  # noqa: FBT001
    assert is_silence(Heard("en", 1.0, no_speech), attempt(log_probability)) is silent


def test_words_have_the_times_of_their_attention() -> None:
    """Three tokens, the second word of two; each looks at frames of its own, the end at the last ones."""
    frames = 40
    window = np.random.default_rng(0).normal(0, 3000, frames * FRAME_SAMPLES).astype(np.int16)
    attention = np.full((4, 2, frames + 10), 1e-3, np.float32)
    for row, (first, end) in enumerate([(0, 10), (10, 16), (16, 30), (30, 40)]):
        attention[row, :, first:end] = 1.0
    found = Attempt(Hypothesis([1, 2, 3], [0.9, 0.5, 0.5], ended=True), -0.1, 1.0, attention, 0.0)
    words = timed_words(window, found, [Span("one", 0, 0), Span("two.", 1, 2)])
    starts = [word.start_samples / FRAME_SAMPLES for word in words]
    ends = [word.end_samples / FRAME_SAMPLES for word in words]
    assert np.allclose(starts, [0, 10], atol=1)
    assert np.allclose(ends, [10, 30], atol=1)
    assert [round(word.confidence, 3) for word in words] == [0.9, 0.5]


def test_alignment_heads_are_the_checkpoints_own_or_spread_over_the_upper_layers() -> None:
    assert checked_heads([[3, 1], [0, 2]], 4, 4) == ((0, 2), (3, 1))
    assert checked_heads([], 4, 2) == default_alignment_heads(4, 2) == ((2, 0), (2, 1), (3, 0), (3, 1))
    spread = default_alignment_heads(32, 20)
    assert len(spread) == 16
    assert all(layer >= 16 for layer, _head in spread)
    with pytest.raises(ValueError, match="alignment_heads"):
        checked_heads([[4, 0]], 4, 4)


def test_attention_to_the_padding_does_not_count() -> None:
    """The end looks at the padding most, but of the window's own frames at the last ones."""
    frames = 40
    window = np.random.default_rng(0).normal(0, 3000, frames * FRAME_SAMPLES).astype(np.int16)
    attention = np.full((3, 2, frames + 10), 1e-4, np.float32)
    attention[0, :, :16] = 1.0
    attention[1, :, 16:30] = 1.0
    attention[1, :, 30:40] = 0.02
    attention[2, :, 30:40] = 0.01
    attention[2, :, 40:] = 1.0
    found = Attempt(Hypothesis([1, 2], [0.9, 0.5], ended=True), -0.1, 1.0, attention, 0.0)
    words = timed_words(window, found, [Span("one", 0, 0), Span("two.", 1, 1)])
    assert [round(word.end_samples / FRAME_SAMPLES) for word in words] == [16, 30]
