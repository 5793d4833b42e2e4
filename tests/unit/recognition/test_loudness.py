from dataclasses import fields, replace

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import Word, WordTag
from stenod_server.ports import Int16Audio
from stenod_server.recognition.loudness import as_heard
from tests.support.waves import joined, noise, silence


def volumes(*spans_s: tuple[float, float], audio: Int16Audio) -> list[float | None]:
    words = [Word("so", round(start * HZ), round(end * HZ), 0.9) for start, end in spans_s]
    heard = as_heard(audio, words, channel="Agent")
    assert {word.channel for word in heard} <= {"Agent"}
    return [word.volume for word in heard]


def test_the_volume_of_a_word_is_linear_in_decibels_of_its_own_samples() -> None:
    audio = joined(noise(1, level_db=-30), noise(1, level_db=-12), noise(1, level_db=-54), silence(1))
    found = volumes((0, 1), (1, 2), (2.2, 2.8), (3, 4), audio=audio)
    assert found == [pytest.approx(volume, abs=1) for volume in (50, 80, 10, 0)]


def test_full_scale_is_a_hundred_and_no_more() -> None:
    assert volumes((0, 1), audio=np.full(HZ, -32768, np.int16)) == [100.0]


def test_words_at_the_edge_and_without_length_have_a_volume() -> None:
    audio = noise(1, level_db=-30)
    found = volumes((0, 0), (1, 1), (0.9, 2), (5, 6), audio=audio)
    assert all(volume is not None and 0 <= volume < 75 for volume in found)
    assert volumes((0, 1), audio=silence(0)) == [0.0]
    assert volumes(audio=audio) == []


def test_all_else_of_a_word_stays() -> None:
    """Whatever a word has, so that a field that is added to it is not lost here."""
    word = Word("so", 10, 20, 0.9, "en", "", "S1", None, (WordTag.DISFLUENCY,))
    (heard,) = as_heard(silence(1), [word], channel="Agent")
    assert heard == replace(word, channel="Agent", volume=0.0)
    assert all(getattr(heard, one.name) != one.default for one in fields(Word))
