import numpy as np
import numpy.typing as npt

from stenod_models.alignment.word_times import WordSpan, times_of_words

HOP = 100


def window(levels: list[int]) -> npt.NDArray[np.int16]:
    """One hop of an alternating signal per level."""
    signs = np.resize([1, -1], HOP)
    audio: npt.NDArray[np.int16] = np.concatenate([level * signs for level in levels]).astype(np.int16)
    return audio


def test_words_are_shrunk_to_where_there_is_sound() -> None:
    audio = window([0, 0, 1000, 1000, 0, 0, 0, 900, 0])
    times = times_of_words(audio, [WordSpan(0, 5), WordSpan(5, 9)], HOP)
    assert times == [(200, 400), (700, 800)]


def test_a_silent_word_keeps_its_span() -> None:
    audio = window([1000, 0, 0, 1000])
    assert times_of_words(audio, [WordSpan(0, 1), WordSpan(1, 3), WordSpan(3, 4)], HOP)[1] == (100, 300)


def test_times_stay_inside_the_window_and_do_not_overlap() -> None:
    audio = window([500] * 4)[:350]
    times = times_of_words(audio, [WordSpan(0, 2), WordSpan(1, 4), WordSpan(4, 6)], HOP)
    assert times == [(0, 200), (200, 350), (350, 350)]


def test_an_all_silent_window_has_spans_as_aligned() -> None:
    assert times_of_words(window([0, 0]), [WordSpan(0, 1), WordSpan(1, 2)], HOP) == [(0, 100), (100, 200)]
