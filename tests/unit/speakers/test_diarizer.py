"""Who speaks when over a whole recording: from made voices, so that the truth is known."""

import json
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.ports import VoiceSpan, WindowVoices
from stenod_server.speakers.diarizer import BLOCK_VOICES, PEOPLE_MOST, Diarizer
from stenod_server.speakers.turns import SpeakerTurns
from tests.support.voices import DIMENSIONS, Cast, conversation, samples


def asked(sensitivity: float = 0.5, *, least: int = 0, most: int = 0) -> Diarization:
    return Diarization(mode=DiarizationMode.SPEAKER, sensitivity=sensitivity, min_speakers=least, max_speakers=most)


def finished(windows: Iterable[tuple[int, WindowVoices]], diarization: Diarization | None = None) -> SpeakerTurns:
    diarizer = Diarizer(diarization or asked())
    for start_samples, voices in windows:
        diarizer.add(start_samples, voices)
    return diarizer.finish()


def spoken(turns: SpeakerTurns) -> list[tuple[str, float, float]]:
    """(label, start in seconds, end in seconds)."""
    return [
        (turns.speakers[turn.speaker].label, turn.start_samples / 16_000, turn.end_samples / 16_000)
        for turn in turns.turns
    ]


def test_speakers_are_told_apart_and_numbered_in_order_of_appearance() -> None:
    cast = Cast(3)
    windows = [(0, cast.window((1, 5, 2), (6, 9, 0))), (samples(20), cast.window((1, 4, 1), (5, 9, 2)))]
    assert spoken(finished(windows)) == [("S1", 1, 5), ("S2", 6, 9), ("S3", 21, 24), ("S1", 25, 29)]


def test_a_recording_without_voices_has_no_speakers() -> None:
    found = finished([(0, WindowVoices())])
    assert (found.speakers, list(found.turns)) == ((), [])


@pytest.mark.parametrize("windows", [10, BLOCK_VOICES, 3 * BLOCK_VOICES], ids=["one block", "two", "many"])
def test_the_number_of_speakers_does_not_hang_on_the_blocks(windows: int) -> None:
    assert [one.label for one in finished(conversation(Cast(4), windows)).speakers] == ["S1", "S2", "S3", "S4"]


def test_a_speaker_has_a_centroid_and_the_length_of_the_turns() -> None:
    cast = Cast(2)
    found = finished([(0, cast.window((0, 6, 0))), (samples(15), cast.window((0, 4, 1), (5, 9, 0)))])
    other = Cast(2).voice(0).embedding  # of the same seed: the first person again
    assert [one.speech_samples for one in found.speakers] == [samples(10), samples(4)]
    assert [bool(one.centroid @ other > 0.6) for one in found.speakers] == [True, False]
    assert [round(float(np.linalg.norm(one.centroid)), 3) for one in found.speakers] == [1, 1]


def test_voices_heard_at_the_same_time_are_two_people() -> None:
    alike = Cast(1)
    voices = (alike.voice(0), alike.voice(0))
    apart = WindowVoices((VoiceSpan(0, samples(5), 0), VoiceSpan(samples(4), samples(9), 1)), voices)
    after = WindowVoices((VoiceSpan(0, samples(5), 0), VoiceSpan(samples(5), samples(9), 1)), voices)
    assert spoken(finished([(0, after)])) == [("S1", 0, 9)]
    assert spoken(finished([(0, apart)])) == [("S1", 0, 5), ("S2", 4, 9)]
    assert spoken(finished([(0, apart)], asked(most=1))) == [("S1", 0, 9)]


def test_who_talks_into_somebodys_words_is_not_that_one() -> None:
    """What is heard of the second voice sounds like the first, whose words drown it."""
    cast = Cast(2)
    drowned = WindowVoices(
        (VoiceSpan(0, samples(8), 0), VoiceSpan(samples(7), samples(9), 1)), (cast.voice(0), cast.like(0, 0.5, 0.0))
    )
    assert spoken(finished([(0, drowned)])) == [("S1", 0, 8)]


def test_a_turn_goes_on_behind_a_pause_in_which_nobody_talks() -> None:
    cast = Cast(2)
    windows = [(0, cast.window((0, 4, 0), (5, 8, 0), (8.2, 10.4, 1), (10.6, 12, 0), (14, 16, 0)))]
    assert spoken(finished(windows)) == [("S1", 0, 8), ("S2", 8.2, 10.4), ("S1", 10.6, 12), ("S1", 14, 16)]


def test_a_turn_ends_where_somebody_else_talks_in_the_pause() -> None:
    cast = Cast(2)
    windows = [(0, cast.window((0, 4, 0), (4.1, 4.9, 1), (5, 8, 0), (9, 12, 1)))]
    assert spoken(finished(windows)) == [("S1", 0, 4), ("S2", 4.1, 4.9), ("S1", 5, 8), ("S2", 9, 12)]


def test_what_two_windows_share_is_heard_once() -> None:
    cast = Cast(2)
    windows = [(0, cast.window((0, 10, 0))), (samples(6), cast.window((0, 4.5, 1), (5, 9, 1)))]
    assert spoken(finished(windows)) == [("S1", 0, 10), ("S2", 10, 15)]


def test_a_voice_whose_speech_an_earlier_window_told_is_no_speaker() -> None:
    cast = Cast(2)
    windows = [(0, cast.window((0, 10, 0))), (samples(6), cast.window((0, 3, 1), (4, 9, 0)))]
    assert spoken(finished(windows)) == [("S1", 0, 15)]


def test_a_short_voice_is_of_the_speaker_it_is_likest_to() -> None:
    cast = Cast(2)
    between = WindowVoices((VoiceSpan(0, samples(0.5), 0),), (cast.like(0, 0.25, 0.5),))
    windows = [(0, cast.window((0, 9, 0))), (samples(15), cast.window((0, 9, 1))), (samples(30), between)]
    assert spoken(finished(windows))[-1] == ("S1", 30, 30.5)


def test_a_short_voice_that_is_like_nobody_is_nobodys() -> None:
    cast = Cast(3)
    stranger = cast.window((0, 0.6, 2))
    assert spoken(finished([(0, cast.window((0, 9, 0))), (samples(15), stranger)])) == [("S1", 0, 9)]


def test_who_is_alone_is_a_speaker_however_short() -> None:
    assert spoken(finished([(0, Cast(1).window((0, 0.5, 0)))])) == [("S1", 0, 0.5)]


def test_there_are_no_more_speakers_than_asked_for() -> None:
    assert len(finished(conversation(Cast(5), 40), asked(most=3)).speakers) == 3


def test_there_are_as_many_speakers_as_asked_for_where_voices_allow_it() -> None:
    windows = list(conversation(Cast(1), 40))
    assert len(finished(windows).speakers) == 1
    assert len(finished(windows, asked(least=2)).speakers) == 2


def test_a_higher_sensitivity_tells_more_speakers_apart() -> None:
    cast = Cast(1)
    near = WindowVoices((VoiceSpan(0, samples(9), 0),), (cast.like(0, 0.45, 9.0),))
    windows = [(0, cast.window((0, 9, 0))), (samples(15), near)]
    assert [len(finished(windows, asked(value)).speakers) for value in (0.2, 0.9)] == [1, 2]


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), windows=st.integers(100, 240), data=st.data())
def test_going_on_behind_a_checkpoint_gives_the_same(seed: int, windows: int, data: st.DataObject) -> None:
    heard = list(conversation(Cast(3, seed), windows))
    cut = data.draw(st.integers(0, windows))
    first, second = Diarizer(asked()), Diarizer(asked())
    for start_samples, voices in heard[:cut]:
        first.add(start_samples, voices)
    second.recall(json.loads(json.dumps(first.remember())))
    for start_samples, voices in heard[cut:]:
        second.add(start_samples, voices)
    through, behind = finished(heard), second.finish()
    assert list(behind.turns) == list(through.turns)
    assert [one.speech_samples for one in behind.speakers] == [one.speech_samples for one in through.speakers]
    for one, other in zip(behind.speakers, through.speakers, strict=True):
        assert np.array_equal(one.centroid, other.centroid)


def test_ten_hours_cost_a_few_numbers_a_span() -> None:
    """50 000 spans of four people, in columns of 8 bytes; watched over the last tenth, and while the turns are made."""
    windows = _long(Cast(4), 12_500)
    diarizer = Diarizer(asked())
    for start_samples, voices in islice(windows, 11_250):
        diarizer.add(start_samples, voices)
    tracemalloc.start()
    for start_samples, voices in windows:
        diarizer.add(start_samples, voices)
    kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    found = diarizer.finish()
    finish_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.speakers) == 4
    assert kept_bytes < 50_000 * 4 * 8 * 1.5  # what grew was copied once
    assert peak_bytes < kept_bytes + 2_000_000
    assert finish_bytes < 30_000_000
    assert len(json.dumps(diarizer.remember())) < 1_000_000


def test_who_is_heard_again_is_remembered_once() -> None:
    diarizer = Diarizer(asked())
    for start_samples, voices in conversation(Cast(4), 5 * BLOCK_VOICES):
        diarizer.add(start_samples, voices)
    assert len(json.dumps(diarizer.remember()["people"])) < 2 * 4 * DIMENSIONS * 4


def test_strangers_do_not_pile_up() -> None:
    cast = Cast(640)
    diarizer = Diarizer(asked())
    for person in range(cast.people):
        diarizer.add(samples(15.0 * person), cast.window((0, 5, person)))
    assert len(json.dumps(diarizer.remember()["people"])) < 1.5 * PEOPLE_MOST * DIMENSIONS * 4


def test_the_work_grows_with_the_length_alone() -> None:
    short, long = (_calls(_long(Cast(4), windows)) for windows in (500, 2_000))
    assert long < 4.4 * short


def _long(cast: Cast, windows: int) -> Iterator[tuple[int, WindowVoices]]:
    """As `conversation`; sixteen windows again and again, so that making them costs nothing."""
    made = [voices for _start, voices in conversation(cast, 16)]
    return ((samples(15.0 * number), made[number % len(made)]) for number in range(windows))


def _calls(windows: Iterable[tuple[int, WindowVoices]]) -> int:
    """How many functions are called: a measure of work that no other process disturbs."""
    count = 0

    def seen(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        finished(windows)
    finally:
        sys.setprofile(None)
    return count
