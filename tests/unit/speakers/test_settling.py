"""Who of those that are little heard is a speaker: over recordings so long that seconds alone say nothing."""

import json
from collections.abc import Iterable, Sequence

import pytest

from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.ports import Voice, VoiceSpan, WindowVoices
from stenod_server.speakers.diarizer import BLOCK_VOICES, Diarizer
from tests.support.voices import Cast, conversation, samples

WINDOW_S = 15.0
WINDOWS = BLOCK_VOICES  # of two voices each: two blocks, forty minutes, of which one in a hundred is 22 s of speech
ASKED = Diarization(mode=DiarizationMode.SPEAKER)


def labels(windows: Iterable[WindowVoices], diarizer: Diarizer | None = None) -> list[str]:
    diarizer = diarizer or Diarizer(ASKED)
    for number, voices in enumerate(windows):
        diarizer.add(samples(number * WINDOW_S), voices)
    return [speaker.label for speaker in diarizer.finish().speakers]


def talk(cast: Cast, windows: int = WINDOWS) -> list[WindowVoices]:
    """Of all the cast but the last."""
    return [voices for _start, voices in conversation(Cast(cast.people - 1, cast.seed), windows)]


def alone(voice: Voice) -> WindowVoices:
    return WindowVoices((VoiceSpan(0, voice.clean_samples, 0),), (voice,))


@pytest.mark.parametrize("times", [1, 4, 16])
def test_what_is_never_clear_is_no_speaker_however_often_it_comes(times: int) -> None:
    """A stretch between two people, of one second, in five minutes that are joined with themselves."""
    cast = Cast(3)
    between = alone(cast.like(0, 0.3, 1.0))
    assert labels([*talk(cast, 20), between] * times) == ["S1", "S2"]


@pytest.mark.parametrize("times", [1, 4])
def test_so_it_is_where_it_sounds_like_somebody_who_talks_at_once(times: int) -> None:
    """Nobody is two people: what of a voice is heard under its own words is a mistake about somebody else's."""
    cast = Cast(3)
    own = cast.voice(0, 6.0)
    spans = (VoiceSpan(0, samples(6), 0), VoiceSpan(samples(5), samples(7), 1))
    at_once = WindowVoices(spans, (own, cast.like(0, 0.7, 1.0)))
    assert labels([*talk(cast, 20), at_once] * times) == ["S1", "S2"]


@pytest.mark.parametrize(("clear_s", "speakers"), [((2.5,), 2), ((2.5, 2.5), 3)], ids=["once", "twice"])
def test_who_says_five_seconds_of_a_long_recording_is_a_speaker(clear_s: Sequence[float], speakers: int) -> None:
    cast = Cast(3)
    little = [alone(cast.voice(2, seconds)) for seconds in clear_s]
    assert len(labels([*talk(cast), *little])) == speakers


def test_who_was_heard_clearly_before_a_checkpoint_is_a_speaker() -> None:
    cast = Cast(3)
    first, second = Diarizer(ASKED), Diarizer(ASKED)
    labels([*[alone(cast.voice(2, 2.5))] * 2, *talk(cast)], first)
    second.recall(json.loads(json.dumps(first.remember())))
    assert len(second.finish().speakers) == 3


def test_who_says_one_word_again_and_again_is_a_speaker() -> None:
    """Never for long enough to be clear, but for one second in twenty of all speech."""
    cast = Cast(3)
    windows = [part for window in talk(cast, 100) for part in (window, alone(cast.voice(2, 0.7)))]
    assert len(labels(windows)) == 3


def test_two_seconds_make_a_speaker_of_a_short_recording() -> None:
    cast = Cast(3)
    short = [alone(cast.voice(2, 1.1)), alone(cast.voice(2, 1.1))]
    assert len(labels([*talk(cast, 10), *short])) == 3
