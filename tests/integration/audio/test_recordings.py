"""The speech set: every format, every broken file, no window where nobody speaks, all of what is spoken."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from stenod_server.audio.decode import DecodeOptions, Decoding
from stenod_server.audio.front_end import recording
from stenod_server.audio.vad import FRAME_SAMPLES, Silero
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.errors import InvalidRequest, LimitExceeded, NoAudio, UnsupportedMedia
from stenod_server.ports import AudioSummary, Window, WindowPlan
from tests.support.speech import Recording, needs_speech, recordings

pytestmark = needs_speech
PLAN = WindowPlan(window_target_samples=240_000, window_max_samples=480_000)

# Outcome: seconds decoded and words of the remark, or the error and words of its reason.
BROKEN: dict[str, tuple[float, str] | tuple[type[InvalidRequest], str]] = {
    "truncated.mp3": (8.967, "ends at 8.97 s of the 15.01 s"),
    "garbage-head.mp3": (15.084, ""),
    "truncated-no-moov.m4a": (UnsupportedMedia, "not an audio or video file"),
    "bitflips.flac": (4.135, "damaged packets skipped, the first at 1.02 s"),
    "truncated.wav": (2.739, "ends at 2.74 s of the 8.22 s"),
    "header-only.wav": (UnsupportedMedia, "not an audio or video file"),
    "size-lies-4GB.wav": (14.73, ""),
    "rate-zero.wav": (UnsupportedMedia, "not an audio or video file"),
    "channels-zero.wav": (UnsupportedMedia, "no channels"),
    "empty.wav": (UnsupportedMedia, "it is empty"),
    "text.wav": (UnsupportedMedia, "not an audio or video file"),
    "random.mp3": (UnsupportedMedia, "not an audio or video file"),
    "zeros.flac": (UnsupportedMedia, "no channels"),
    "wrong-ext.mp3": (9.785, ""),
    "truncated.opus": (3.994, ""),  # Ogg announces no length
    "truncated.webm": (1.278, "ends at 1.28 s of the 2.84 s"),
    "truncated.mp4": (UnsupportedMedia, "not an audio or video file"),
    "video-only.mp4": (NoAudio, "no audio track"),
    "10ms.wav": (0.01, ""),
    "nan.wav": (1.0, ""),
    "ps-awful.wav": (LimitExceeded, "max_sample_rate_hz, got 1092676"),
    "ps-bad.wav": (UnsupportedMedia, "not an audio or video file"),
    "ps-evil.wav": (UnsupportedMedia, "not an audio or video file"),
    "ps-null.wav": (NoAudio, "the audio track is empty"),
}
# Another version of ffmpeg compares: what differs is rounding, and the silence that AAC pads its last frame with.
LIKENESS = 0.9999
PADDING_S = 0.07


def by_name(items: tuple[Recording, ...]) -> list[object]:
    return [pytest.param(item, id=item.path.name) for item in items]


def decode(path: Path) -> tuple[npt.NDArray[np.int16], str]:
    with Decoding(path, DecodeOptions()) as decoding:
        return np.concatenate(list(decoding.blocks()), axis=1)[0], decoding.damage


def by_ffmpeg(path: Path) -> npt.NDArray[np.int16]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", str(path), "-map", "0:a:0"]
    raw = subprocess.run([*command, "-ac", "1", "-ar", "16000", "-f", "s16le", "-"], capture_output=True, check=False)
    return np.frombuffer(raw.stdout, np.int16)


@pytest.mark.parametrize("item", by_name(recordings("formats")))
def test_every_format_decodes_as_ffmpeg_does(item: Recording) -> None:
    ours, _ = decode(item.path)
    theirs = by_ffmpeg(item.path)
    assert abs(len(ours) - len(theirs)) <= PADDING_S * SAMPLE_RATE_HZ
    length = min(len(ours), len(theirs))
    a, b = ours[:length].astype(np.float64), theirs[:length].astype(np.float64)
    likeness = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    level_db = 10 * np.log10((a @ a) / (b @ b))
    print(f"{item.id}: {len(ours)} samples, ffmpeg {len(theirs)}, likeness {likeness:.6f}, level {level_db:+.3f} dB")
    assert likeness > LIKENESS
    assert abs(level_db) < 0.05


def test_the_table_of_broken_files_is_complete() -> None:
    assert set(BROKEN) == {item.path.name for item in recordings("broken")}


@pytest.mark.parametrize("item", by_name(recordings("broken")))
def test_every_broken_file_ends_as_stated(item: Recording, silero: Silero) -> None:
    expected, words = BROKEN[item.path.name]
    if isinstance(expected, type):
        with pytest.raises(expected, match=words):
            list(recording(item.path, PLAN, silero))
        return
    *_, summary = recording(item.path, PLAN, silero)
    assert isinstance(summary, AudioSummary)
    assert summary.duration_samples == pytest.approx(expected * SAMPLE_RATE_HZ, abs=20)
    assert words in summary.damage
    assert bool(words) == bool(summary.damage)


@pytest.mark.parametrize("item", by_name(recordings("nonspeech")))
def test_where_nobody_speaks_there_is_no_window(item: Recording, silero: Silero) -> None:
    *windows, summary = recording(item.path, PLAN, silero)
    assert [window for window in windows if isinstance(window, Window)] == []
    assert isinstance(summary, AudioSummary)
    assert summary.speech_samples == 0


@pytest.mark.parametrize("kind", ["read_en", "short_en", "spont_en", "noisy_en", "multilingual", "telephone"])
def test_no_speech_is_outside_the_windows(kind: str, silero: Silero) -> None:
    """The oracle is Silero over all of the audio, which the front end asks about a small part only."""
    spoken = missed = 0
    for item in recordings(kind)[:30]:
        audio, _ = decode(item.path)
        speech = np.repeat(silero.probabilities(audio) >= 0.5, FRAME_SAMPLES)
        covered = np.zeros(len(audio), np.bool_)
        for window in recording(item.path, PLAN, silero):
            if isinstance(window, Window):
                covered[window.keep_start_samples : window.keep_end_samples] = True
        spoken += int(speech.sum())
        missed += int((speech & ~covered[: len(speech)]).sum())
    print(f"{kind}: {missed / SAMPLE_RATE_HZ:.2f} of {spoken / SAMPLE_RATE_HZ:.0f} s missed")
    assert missed < 0.002 * spoken


@pytest.mark.parametrize("item", by_name(recordings("read_en", "short_en")[:20]))
def test_a_short_clip_is_one_window(item: Recording, silero: Silero) -> None:
    windows = [i for i in recording(item.path, PLAN, silero) if isinstance(i, Window)]
    assert len(windows) == (1 if item.duration_s <= 15 else len(windows))
    assert windows
