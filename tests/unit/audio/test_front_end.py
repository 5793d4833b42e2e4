"""A file to windows, without processes: order over channels, places after a trim, progress, the summary."""

from pathlib import Path

import numpy as np
import pytest

from stenod_server.audio.cuts import Lengths
from stenod_server.audio.front_end import InOrder, recording
from stenod_server.audio.segment import Segmenter
from stenod_server.domain.audio import SAMPLE_RATE_HZ, ChunkLengths, to_seconds
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan
from tests.support.waves import LoudIsSpeech, joined, noise, talk, write_wav

PLAN = WindowPlan(window_target_samples=160_000, window_max_samples=320_000)

LENGTHS = Lengths(target=1250, maximum=2500)


def test_windows_come_numbered_and_the_summary_last(tmp_path: Path) -> None:
    audio = joined(noise(2), talk(8), noise(4), talk(9, seed=2), noise(3))
    items = list(recording(write_wav(tmp_path / "a.wav", audio), PLAN, LoudIsSpeech()))
    windows = [item for item in items if isinstance(item, Window)]
    assert [window.index for window in windows] == [0, 1]
    summary = items[-1]
    assert isinstance(summary, AudioSummary)
    assert summary == AudioSummary(len(audio), summary.speech_samples, 2, 1, 16_000, "pcm_s16le", "wav")
    assert to_seconds(summary.speech_samples) == pytest.approx(17, abs=0.6)


def test_progress_grows_up_to_the_estimate(tmp_path: Path) -> None:
    audio = noise(145)
    items = recording(write_wav(tmp_path / "a.wav", audio), PLAN, LoudIsSpeech())
    progress = [item for item in items if isinstance(item, AudioProgress)]
    assert [p.decoded_samples // SAMPLE_RATE_HZ for p in progress] == [10, 70, 130]
    assert {p.estimated_samples for p in progress} == {len(audio)}


def test_windows_of_several_channels_come_in_order_of_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    channels = []
    for channel in range(3):
        parts = [
            piece for turn in range(6) for piece in (noise(float(rng.uniform(0.1, 8))), talk(3, seed=turn + channel))
        ]
        channels.append(joined(*parts, noise(60))[: 60 * SAMPLE_RATE_HZ])
    plan = WindowPlan(window_target_samples=80_000, window_max_samples=160_000, per_channel=True)
    items = list(recording(write_wav(tmp_path / "a.wav", np.stack(channels)), plan, LoudIsSpeech()))
    windows = [item for item in items if isinstance(item, Window)]
    assert {window.channel for window in windows} == {0, 1, 2}
    assert [w.start_samples for w in windows] == sorted(w.start_samples for w in windows)
    assert [w.index for w in windows] == list(range(len(windows)))
    for window in windows:
        place = slice(window.start_samples, window.end_samples)
        assert np.array_equal(window.audio, channels[window.channel][place])


def test_what_bled_over_from_another_channel_makes_no_window(tmp_path: Path) -> None:
    one, other = joined(noise(1), talk(8), noise(11)), joined(noise(11), talk(8, seed=2), noise(1))
    audio = np.stack([one + other // 8, other + one // 8])
    path = write_wav(tmp_path / "a.wav", audio)
    model = LoudIsSpeech(level_db=-50.0)
    plan = WindowPlan(window_target_samples=160_000, window_max_samples=320_000, per_channel=True)
    windows = [item for item in recording(path, plan, model) if isinstance(item, Window)]
    assert [(window.channel, round(to_seconds(window.start_samples))) for window in windows] == [(0, 1), (1, 11)]


def test_chunks_are_as_long_as_the_plan_says(tmp_path: Path) -> None:
    chunks = ChunkLengths(4 * SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
    plan = WindowPlan(window_target_samples=160_000, window_max_samples=320_000, chunks=chunks)
    path = write_wav(tmp_path / "a.wav", talk(30))
    second = [item for item in recording(path, plan, LoudIsSpeech()) if isinstance(item, Window)][1]
    assert second.keep_start_samples - second.start_samples == chunks.left_samples
    assert second.end_samples - second.keep_end_samples == chunks.right_samples
    assert second.keep_end_samples - second.keep_start_samples <= chunks.kept_samples


def test_a_window_waits_for_a_channel_that_may_still_bring_an_earlier_one() -> None:
    ahead, behind = Segmenter(LoudIsSpeech(), LENGTHS), Segmenter(LoudIsSpeech(), LENGTHS, channel=1)
    order = InOrder([ahead, behind])
    [late] = list(ahead.feed(joined(noise(8), talk(5), noise(30))))
    order.push(late)
    assert list(order.ready()) == []
    [early] = list(behind.feed(joined(noise(2), talk(5), noise(36))))
    order.push(early)
    assert [window.channel for window in order.ready()] == [1, 0]


def test_places_are_those_of_the_whole_file_after_a_trim(tmp_path: Path) -> None:
    audio = joined(noise(10), talk(5), noise(10), talk(5, seed=2))
    path = write_wav(tmp_path / "a.wav", audio)
    plan = WindowPlan(window_target_samples=160_000, window_max_samples=320_000, start_s=20, end_s=28.5)
    *_, window, summary = recording(path, plan, LoudIsSpeech())
    assert isinstance(window, Window)
    assert to_seconds(window.start_samples) == pytest.approx(24.75, abs=0.05)
    assert to_seconds(window.end_samples) == 28.5
    assert np.array_equal(window.audio, audio[window.start_samples : window.end_samples])
    assert isinstance(summary, AudioSummary)
    assert to_seconds(summary.duration_samples) == 28.5
