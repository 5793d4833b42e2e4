"""The segmenter on synthetic audio: what becomes a window, and where it ends."""

from itertools import pairwise

import numpy as np
import pytest

from stenod_server.audio.cuts import Lengths
from stenod_server.audio.segment import Segmenter
from stenod_server.audio.vad import FRAME_SAMPLES, Probabilities, SpeechModel
from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_seconds
from stenod_server.ports import Window
from tests.support.waves import Int16Audio, LoudIsSpeech, NeverSpeech, joined, noise, silence, talk, tone

LENGTHS = Lengths(target=1250, maximum=2500)  # 10 s and 20 s


def cut(audio: Int16Audio, model: SpeechModel | None = None, lengths: Lengths = LENGTHS) -> list[Window]:
    segmenter = Segmenter(model or LoudIsSpeech(), lengths)
    windows = [
        w for at in range(0, len(audio), SAMPLE_RATE_HZ) for w in segmenter.feed(audio[at : at + SAMPLE_RATE_HZ])
    ]
    return [*windows, *segmenter.finish()]


def kept_s(window: Window) -> tuple[float, float]:
    return to_seconds(window.keep_start_samples), to_seconds(window.keep_end_samples)


@pytest.mark.parametrize(
    "audio",
    [silence(30), noise(30, level_db=-60), noise(30, level_db=-20), tone(30), joined(silence(15), noise(15))],
    ids=["silence", "faint noise", "loud noise", "tone", "half"],
)
def test_what_does_not_move_gives_no_window(audio: Int16Audio) -> None:
    assert cut(audio) == []


@pytest.mark.parametrize("audio", [talk(25), joined(noise(3), talk(8), noise(4))], ids=["steady", "with pauses"])
def test_sound_that_the_model_does_not_take_for_speech_gives_no_window(audio: Int16Audio) -> None:
    assert len(cut(audio)) > 0
    assert cut(audio, NeverSpeech()) == []


@pytest.mark.parametrize("audio", [talk(25), joined(noise(3), talk(8), noise(4))], ids=["steady", "with pauses"])
def test_a_moment_that_sounds_like_speech_is_not_enough(audio: Int16Audio) -> None:
    assert cut(audio, _SpeechFor(frames=3)) == []
    assert len(cut(audio, _SpeechFor(frames=12))) > 0


class _SpeechFor:
    """A `SpeechModel` that is sure of a few frames in the middle of what it is shown."""

    def __init__(self, *, frames: int) -> None:
        self._frames = frames

    def probabilities(self, audio: Int16Audio) -> Probabilities:
        found = np.zeros(len(audio) // FRAME_SAMPLES, np.float32)
        middle = max(0, (len(found) - self._frames) // 2)
        found[middle : middle + self._frames] = 0.9
        return found


def test_the_model_never_sees_a_frame_that_has_not_all_arrived() -> None:
    model = _RefusesHalfFrames()
    segmenter = Segmenter(model, Lengths(target=50, maximum=51))
    audio = np.maximum(talk(10), 1)  # no sample is zero, as the filling of a half frame would be
    for at in range(0, len(audio), 128):
        list(segmenter.feed(audio[at : at + 128]))
    assert model.frames > 0


class _RefusesHalfFrames(LoudIsSpeech):
    def probabilities(self, audio: Int16Audio) -> Probabilities:
        assert audio.all()
        return super().probabilities(audio)


def test_a_short_file_is_one_window_with_a_margin_around_the_speech() -> None:
    [window] = cut(joined(noise(2), talk(1), noise(3), talk(2), noise(2)))
    start_s, end_s = kept_s(window)
    assert start_s == pytest.approx(1.75, abs=0.05)
    assert end_s == pytest.approx(8.25, abs=0.05)
    assert (window.start_samples, window.end_samples) == (window.keep_start_samples, window.keep_end_samples)


def test_the_window_holds_the_samples_of_its_place_in_the_file() -> None:
    audio = joined(noise(1), talk(8), noise(1), talk(9, seed=2), noise(1), talk(7, seed=3), noise(30))
    windows = cut(audio)
    assert len(windows) == 3
    for window in windows:
        assert np.array_equal(window.audio, audio[window.start_samples : window.end_samples])


def test_a_cut_prefers_the_pause_near_the_target() -> None:
    pause = noise(0.5)
    windows = cut(joined(talk(3), pause, talk(6, seed=2), pause, talk(6, seed=3), pause, talk(9, seed=4), noise(4)))
    first_end_s = kept_s(windows[0])[1]
    assert 9.4 < first_end_s < 10.1  # 3 + 0.5 + 6 s, not 3 s and not 16 s


def test_a_long_silence_is_in_no_window() -> None:
    windows = cut(joined(talk(6), noise(8), talk(6, seed=2), noise(40), talk(6, seed=3), noise(9)))
    assert [kept_s(w)[0] for w in windows] == pytest.approx([0.0, 13.75, 59.75], abs=0.05)
    assert all(len(w.audio) < 7 * SAMPLE_RATE_HZ for w in windows)


def test_speech_without_a_pause_is_cut_in_chunks_with_context_on_both_sides() -> None:
    audio = talk(100)
    windows = cut(audio)
    assert windows[0].start_samples == windows[0].keep_start_samples == 0
    assert windows[-1].keep_end_samples == len(audio)
    for before, after in pairwise(windows):
        assert before.keep_end_samples == after.keep_start_samples
        assert after.keep_start_samples - after.start_samples > 3 * SAMPLE_RATE_HZ  # 5 of 28 s, of a maximum of 20 s
        assert before.end_samples - before.keep_end_samples > 2 * SAMPLE_RATE_HZ
    assert all(len(w.audio) <= 20 * SAMPLE_RATE_HZ for w in windows)


def test_a_stop_inside_a_word_is_no_pause() -> None:
    def with_gaps(gap_s: float) -> list[Window]:
        return cut(joined(*[part for seed in range(25) for part in (talk(2, seed=seed), noise(gap_s))]))

    assert all(has_context(window) for window in with_gaps(0.15))
    assert not any(has_context(window) for window in with_gaps(0.3))


def has_context(window: Window) -> bool:
    return (window.start_samples, window.end_samples) != (window.keep_start_samples, window.keep_end_samples)


@pytest.mark.parametrize(
    ("lengths", "expected_s"),
    [
        (Lengths(1250, 3750), (5.0, 20.0, 3.0)),
        (Lengths(1250, 3750, chunk=1250, left=250, right=125), (2.0, 10.0, 1.0)),
        (Lengths(1250, 1750), (2.5, 10.0, 1.5)),
        (Lengths(1250, 3750, left=0, right=0), (0.0, 20.0, 0.0)),
    ],
    ids=["default", "as told", "shrunk to the maximum", "no context"],
)
def test_chunks_are_as_long_as_told_where_that_fits(lengths: Lengths, expected_s: tuple[float, float, float]) -> None:
    second = cut(talk(100), lengths=lengths)[1]
    kept_start_s, kept_end_s = kept_s(second)
    left_s, chunk_s, right_s = expected_s
    assert kept_start_s - to_seconds(second.start_samples) == pytest.approx(left_s, abs=0.01)
    assert chunk_s - 4 <= kept_end_s - kept_start_s <= chunk_s  # at the quietest point of its last seconds
    assert to_seconds(second.end_samples) - kept_end_s == pytest.approx(right_s, abs=0.01)


def test_a_chunk_ends_at_its_quietest_point() -> None:
    dip_at_s = 12.6875  # in a trough between two syllables
    audio = talk(60)
    dip = slice(round((dip_at_s - 0.03) * SAMPLE_RATE_HZ), round((dip_at_s + 0.03) * SAMPLE_RATE_HZ))
    audio[dip] //= 2
    assert kept_s(cut(audio)[0])[1] == pytest.approx(dip_at_s, abs=0.03)


def test_pauses_hidden_by_noise_are_found_by_the_model() -> None:
    noisy = noise(60, level_db=-24, seed=9).astype(np.int32)
    speech = joined(talk(9), silence(0.6), talk(9, seed=2), silence(0.6), talk(9, seed=3), silence(31.8))
    windows = cut((noisy + speech).astype(np.int16), LoudIsSpeech(level_db=-22.5))
    assert [kept_s(w)[1] for w in windows][:2] == pytest.approx([9.3, 18.9], abs=0.35)
    assert kept_s(windows[-1])[1] < 29.5


def test_quiet_speech_is_speech() -> None:
    [window] = cut(
        joined(noise(2, level_db=-85), talk(5, level_db=-60), noise(2, level_db=-85)), LoudIsSpeech(level_db=-70)
    )
    assert kept_s(window) == pytest.approx((1.75, 7.25), abs=0.1)


def test_clear_speech_costs_a_few_looks_of_the_model_only() -> None:
    model = LoudIsSpeech()
    part = joined(talk(9), noise(0.8))
    cut(joined(*[part] * 12), model)
    assert model.frames * 512 < 0.15 * 12 * len(part)


def test_a_trimmed_file_keeps_the_places_of_the_whole_one() -> None:
    segmenter = Segmenter(LoudIsSpeech(), LENGTHS, channel=1, first_sample=160_000)
    windows = [*segmenter.feed(joined(noise(1), talk(5), noise(1))), *segmenter.finish()]
    assert [w.channel for w in windows] == [1]
    assert to_seconds(windows[0].start_samples) == pytest.approx(10.75, abs=0.05)


def test_an_empty_recording_has_no_window() -> None:
    assert cut(silence(0)) == []
