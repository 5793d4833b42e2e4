"""Whatever the audio: windows are ordered, disjoint, inside it, short enough, and no speech is lost between them."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.audio.cuts import Lengths
from stenod_server.audio.segment import Segmenter
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import Window
from tests.support.waves import Int16Audio, LoudIsSpeech, joined, noise, silence, talk, tone

PARTS: dict[str, Callable[[float], Int16Audio]] = {
    "talk": talk,
    "silence": silence,
    "noise": lambda s: noise(s, level_db=-65),
    "hum": lambda s: tone(s, frequency_hz=50, level_db=-30),
}
recordings = st.lists(st.tuples(st.sampled_from([*PARTS, "talk"]), st.floats(0.01, 9.0)), min_size=1, max_size=7).map(
    lambda parts: joined(*(PARTS[kind](seconds) for kind, seconds in parts))
)
lengths = st.tuples(st.integers(50, 1500), st.floats(1.0, 3.0)).map(lambda t: Lengths(t[0], int(t[0] * t[1])))
steps = st.lists(st.integers(100, 60_000), min_size=1, max_size=20)


def cut(audio: Int16Audio, limits: Lengths, chunks: list[int]) -> list[Window]:
    segmenter = Segmenter(LoudIsSpeech(), limits)
    windows: list[Window] = []
    at = turn = 0
    while at < len(audio):
        step = chunks[turn % len(chunks)]
        windows += segmenter.feed(audio[at : at + step])
        at, turn = at + step, turn + 1
    return [*windows, *segmenter.finish()]


@settings(max_examples=30, deadline=None)
@given(recordings, lengths, steps)
def test_windows_are_ordered_disjoint_inside_and_short_enough(
    audio: Int16Audio, limits: Lengths, chunks: list[int]
) -> None:
    windows = cut(audio, limits, chunks)
    end = 0
    for window in windows:
        assert end <= window.keep_start_samples < window.keep_end_samples <= len(audio)
        assert 0 <= window.start_samples <= window.keep_start_samples
        assert window.keep_end_samples <= window.end_samples <= len(audio)
        assert 0 < len(window.audio) <= limits.maximum * 128
        assert np.array_equal(window.audio, audio[window.start_samples : window.end_samples])
        end = window.keep_end_samples


@settings(max_examples=30, deadline=None)
@given(recordings, lengths, steps)
def test_windows_do_not_depend_on_how_the_audio_arrives(audio: Int16Audio, limits: Lengths, chunks: list[int]) -> None:
    def places(windows: list[Window]) -> list[tuple[int, int, int, int]]:
        return [(w.start_samples, w.end_samples, w.keep_start_samples, w.keep_end_samples) for w in windows]

    assert places(cut(audio, limits, chunks)) == places(cut(audio, limits, [len(audio)]))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 15.0), st.floats(0.0, 4.0)), min_size=1, max_size=5),
    st.sampled_from([Lengths(600, 1200), Lengths(1250, 2500), Lengths(1875, 3750)]),
)
def test_speech_is_covered_exactly_once(parts: list[tuple[float, float]], limits: Lengths) -> None:
    pieces = [noise(1)]
    is_speech = [np.zeros(SAMPLE_RATE_HZ, np.bool_)]
    for talk_s, pause_s in [*parts, (0.5, 1.0)]:
        pieces += [talk(talk_s), noise(pause_s)]
        is_speech += [np.ones(len(pieces[-2]), np.bool_), np.zeros(len(pieces[-1]), np.bool_)]
    covered = np.zeros(sum(map(len, pieces)), np.int8)
    for window in cut(joined(*pieces), limits, [16_000]):
        covered[window.keep_start_samples : window.keep_end_samples] += 1
    assert covered.max(initial=0) <= 1
    assert covered[np.concatenate(is_speech)].all()
