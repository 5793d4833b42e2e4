"""What levels alone tell: a sound that does not move is nobody who speaks."""

import numpy as np
import pytest

from stenod_server.audio.levels import HOP_SAMPLES, gate, hop_levels, hops, steady
from tests.support.models import read_audio
from tests.support.speech import needs_speech, recordings
from tests.support.waves import Int16Audio, joined, noise, talk, tone


def _levels(audio: Int16Audio) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return hop_levels(audio[: len(audio) // HOP_SAMPLES * HOP_SAMPLES])


@pytest.mark.parametrize("sound", [tone(20), noise(20, level_db=-20)], ids=["tone", "noise"])
def test_a_steady_sound_between_words_is_not_active(sound: Int16Audio) -> None:
    levels = _levels(joined(talk(5), sound, talk(5)))
    active = gate(levels).active
    assert not active[hops(5.5) : hops(24.5)].any()
    assert active[: hops(5)].mean() > 0.5
    assert active[hops(25) :].mean() > 0.5


def test_a_sound_is_steady_from_three_seconds_on() -> None:
    assert not steady(_levels(joined(talk(4), tone(2.5), talk(4)))).any()
    assert steady(_levels(joined(talk(4), tone(3.5), talk(4)))).any()


@needs_speech[1]
def test_nothing_that_people_say_is_steady() -> None:
    said = recordings("read_en", "spont_en", "noisy_en", "multilingual")[::4]
    assert len(said) > 30
    for recording in said:
        assert not steady(_levels(read_audio(recording.path))).any(), recording.id
