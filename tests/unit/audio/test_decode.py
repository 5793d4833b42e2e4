"""Decoding of files made here: trims to the sample, caps, channels, damage, and a reason for everything refused."""

import io
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from stenod_server.audio.decode import DecodeOptions, Decoding
from stenod_server.audio.media_file import ShapeLimits
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.errors import DecoderDied, LimitExceeded, NoAudio, UnsupportedMedia
from tests.support.bombs import ape, flac
from tests.support.fuzz_seeds import CORPUS
from tests.support.page_cache import is_cached, lets_go
from tests.support.waves import Int16Audio, joined, noise, silence, talk, tone, write_wav


def decode(path: Path, options: DecodeOptions | None = None) -> tuple[Int16Audio, Decoding]:
    with Decoding(path, options or DecodeOptions()) as decoding:
        blocks = [np.zeros((decoding.channels, 0), np.int16), *decoding.blocks()]
        return np.concatenate(blocks, axis=1), decoding


def write_float_wav(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Path:
    with av.open(str(path), "w", format="wav") as out:
        stream = out.add_stream("pcm_f32le", rate=SAMPLE_RATE_HZ)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_sixteen_kilohertz_comes_out_as_it_went_in(tmp_path: Path) -> None:
    audio = talk(3.21)
    decoded, decoding = decode(write_wav(tmp_path / "a.wav", audio))
    assert np.array_equal(decoded, audio[np.newaxis])
    assert decoding.position_samples == len(audio) == decoding.info.estimated_samples
    assert decoding.damage == ""


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 0.0), (0.0, 1.25), (1.0001, 2.50003), (0.0, 99.0), (3.2, 3.3)])
def test_trims_are_exact_to_the_sample(tmp_path: Path, start_s: float, end_s: float) -> None:
    audio = talk(3.21)
    decoded, _ = decode(write_wav(tmp_path / "a.wav", audio), DecodeOptions(start_s=start_s, end_s=end_s))
    end = round(end_s * SAMPLE_RATE_HZ) if end_s else len(audio)
    assert np.array_equal(decoded[0], audio[round(start_s * SAMPLE_RATE_HZ) : end])


def test_resampling_keeps_the_length_and_the_tail(tmp_path: Path) -> None:
    rate_hz = 44_100
    audio = np.tile(tone(1.0), 6)[: rate_hz * 2 + 17]  # two seconds and a bit at 44.1 kHz, loud up to its end
    decoded, _ = decode(write_wav(tmp_path / "a.wav", audio, rate_hz=rate_hz))
    assert abs(decoded.shape[1] - len(audio) * SAMPLE_RATE_HZ / rate_hz) <= 1
    assert np.abs(decoded[0, -40:]).max() > 1000


def test_mono_is_the_average_of_the_channels(tmp_path: Path) -> None:
    channels = np.stack([tone(1, level_db=-12), tone(1, level_db=-18), silence(1), tone(1, frequency_hz=900)])
    decoded, _ = decode(write_wav(tmp_path / "a.wav", channels))
    assert np.abs(decoded[0] - channels.mean(axis=0)).max() <= 1
    stereo, _ = decode(write_wav(tmp_path / "b.wav", channels[:2]))
    assert np.abs(stereo[0] - channels[:2].mean(axis=0)).max() <= 1


def test_channels_can_be_had_apart(tmp_path: Path) -> None:
    channels = np.stack([tone(1), noise(1), talk(1)])
    decoded, decoding = decode(write_wav(tmp_path / "a.wav", channels), DecodeOptions(per_channel=True))
    assert decoding.channels == 3
    assert np.array_equal(decoded, channels)


def test_not_a_number_becomes_silence_and_infinity_full_scale(tmp_path: Path) -> None:
    samples = np.full(SAMPLE_RATE_HZ, 0.25, np.float32)
    samples[1000:2000] = np.nan
    samples[3000:3100] = np.inf
    decoded, _ = decode(write_float_wav(tmp_path / "a.wav", samples))
    assert decoded[0, 1500] == 0
    assert decoded[0, 3050] == 32767
    assert decoded[0, 500] == decoded[0, 9000] == 8192


def test_a_longer_recording_than_allowed_names_the_limit(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", noise(5))
    assert decode(path, DecodeOptions(max_decoded_s=5))[0].shape[1] == 5 * SAMPLE_RATE_HZ
    with pytest.raises(LimitExceeded, match="max_decoded_s"):
        decode(path, DecodeOptions(max_decoded_s=4.9))


def test_more_channels_than_allowed_name_the_limit(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="max_channels, got 4"):
        decode(
            write_wav(tmp_path / "a.wav", np.stack([noise(1)] * 4)), DecodeOptions(shape=ShapeLimits(max_channels=3))
        )


def test_a_trim_behind_the_end_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoAudio, match=r"3\.00 s long"):
        decode(write_wav(tmp_path / "a.wav", noise(3)), DecodeOptions(start_s=3.0))


def write_rate(path: Path, rate_hz: int) -> Path:
    raw = bytearray(write_wav(path, noise(1)).read_bytes())
    raw[24:28] = rate_hz.to_bytes(4, "little")
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("rate_hz", [1, 1999])
def test_a_rate_of_no_recording_is_refused(tmp_path: Path, rate_hz: int) -> None:
    with pytest.raises(UnsupportedMedia, match="samples per second"):
        decode(write_rate(tmp_path / "a.wav", rate_hz))


@pytest.mark.parametrize("rate_hz", [384_001, 2_000_000_000])
def test_a_higher_rate_than_allowed_names_the_limit(tmp_path: Path, rate_hz: int) -> None:
    with pytest.raises(LimitExceeded, match="384000 allowed by max_sample_rate_hz"):
        decode(write_rate(tmp_path / "a.wav", rate_hz))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello, I am no recording\n" * 50, "not an audio or video file"),
        (b"#EXTM3U\n#EXTINF:10,\n/etc/hostname\n", "not an audio or video file"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not an audio or video file"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not an audio or video file"),
    ],
    ids=["empty", "text", "playlist", "concat script", "no header"],
)
def test_what_is_no_recording_is_refused_in_words(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(UnsupportedMedia, match=reason):
        decode(path)


def test_a_playlist_does_not_open_the_files_it_names(tmp_path: Path) -> None:
    secret = write_wav(tmp_path / "secret.wav", talk(2))
    playlist = tmp_path / "list.mp3"
    playlist.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    with pytest.raises(UnsupportedMedia):
        decode(playlist)


def test_a_film_without_sound_has_no_audio_track(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=Fraction(10))
        stream.width = stream.height = 32
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(NoAudio, match="no audio track"):
        decode(path)


def test_a_missing_file_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(DecoderDied):
        decode(tmp_path / "gone.wav")


def test_a_file_that_ends_early_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = write_float_wav(tmp_path / "a.wav", (talk(10) / 32768).astype(np.float32))
    whole, _ = decode(path)
    path.write_bytes(path.read_bytes()[: 4 * 4 * SAMPLE_RATE_HZ])
    decoded, decoding = decode(path)
    assert np.array_equal(decoded, whole[:, : decoded.shape[1]])
    assert decoding.damage == "the file ends at 4.00 s of the 10.00 s it announces"


def write_stamped(path: Path, parts: list[tuple[float, Int16Audio]]) -> Path:
    """A Matroska file whose parts begin at given times."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=SAMPLE_RATE_HZ)
        stream.layout = "mono"
        for start_s, audio in parts:
            for at in range(0, len(audio), 320):
                frame = av.AudioFrame.from_ndarray(audio[np.newaxis, at : at + 320], format="s16", layout="mono")
                frame.sample_rate, frame.time_base = SAMPLE_RATE_HZ, Fraction(1, SAMPLE_RATE_HZ)
                frame.pts = round(start_s * SAMPLE_RATE_HZ) + at
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_a_hole_in_the_time_stamps_is_silence(tmp_path: Path) -> None:
    first, second = talk(1), talk(1, seed=2)
    decoded, _ = decode(write_stamped(tmp_path / "a.mka", [(0, first), (4, second)]))
    assert decoded.shape[1] == 5 * SAMPLE_RATE_HZ
    assert np.array_equal(decoded[0, -SAMPLE_RATE_HZ:], second)
    assert not decoded[0, SAMPLE_RATE_HZ : 4 * SAMPLE_RATE_HZ].any()


def test_time_stamps_that_go_back_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    parts = [write_stamped(tmp_path / f"{seed}.mka", [(0, talk(1, seed=seed))]).read_bytes() for seed in (1, 2)]
    path.write_bytes(b"".join(parts))
    decoded, _ = decode(path)
    assert np.array_equal(decoded[0, :SAMPLE_RATE_HZ], talk(1, seed=1))


def test_damaged_packets_are_skipped_with_their_time_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    audio = joined(noise(6, level_db=-30), tone(4))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=SAMPLE_RATE_HZ)
        stream.layout, stream.format = "mono", "s16"
        frame = av.AudioFrame.from_ndarray(audio[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 3
    raw[middle : middle + 200] = bytes(200)
    path.write_bytes(raw)
    decoded, decoding = decode(path)
    assert "damaged packet" in decoding.damage
    assert abs(decoded.shape[1] - len(audio)) < 10
    assert np.array_equal(decoded[0, -3 * SAMPLE_RATE_HZ :], audio[-3 * SAMPLE_RATE_HZ :])


def test_no_exception_of_av_crosses_the_border(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    whole = write_wav(tmp_path / "b.wav", noise(0.2)).read_bytes()
    for length in range(0, 45, 4):
        path.write_bytes(whole[:length])
        with pytest.raises((UnsupportedMedia, NoAudio)):
            decode(path)


def test_a_muted_microphone_makes_no_forged_packet(tmp_path: Path) -> None:
    """MP4 says of the last packet before a hole that it lasts as long as the hole."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        for start_s in (0, 200):
            for at in range(0, 48_000, 1024):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), start_s * 48_000 + at
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    decoded, decoding = decode(path)
    assert abs(decoded.shape[1] - 201 * SAMPLE_RATE_HZ) < SAMPLE_RATE_HZ / 10
    assert decoding.damage == ""


def test_a_packet_longer_than_any_encoder_writes_is_forged(tmp_path: Path) -> None:
    path = tmp_path / "a.ape"
    path.write_bytes(ape(23 * 3600 * 8000))
    with pytest.raises(UnsupportedMedia, match="longer than any encoder's"):
        decode(path)


def test_hours_in_a_megabyte_are_counted_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac(100, claims_hours=0))
    with Decoding(path, DecodeOptions()) as decoding:
        with pytest.raises(LimitExceeded, match="86400 allowed by max_decoded_s"):
            list(decoding.blocks())
        assert decoding.position_samples < 600 * SAMPLE_RATE_HZ


def broadcast(first_pid: int, seconds: float) -> bytes:
    """A piece of an MPEG transport stream whose audio is under that number."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts", options={"mpegts_start_pid": str(first_pid)}) as out:
        stream = out.add_stream("mp2", rate=SAMPLE_RATE_HZ)
        stream.layout = "mono"
        pieces = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(talk(seconds)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        pieces.write(frame)
        for piece in pieces.read_many(1152, partial=True):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def test_a_stream_that_begins_in_the_middle_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(broadcast(256, 12) + broadcast(400, 1) + broadcast(256, 12))
    decoded, _ = decode(path)
    assert decoded.shape[1] == pytest.approx(24 * SAMPLE_RATE_HZ, rel=0.01)


def test_what_is_not_permitted_inside_of_a_file_is_the_fault_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rm"
    path.write_bytes((CORPUS / "regression-not-permitted").read_bytes())
    with pytest.raises(UnsupportedMedia):
        decode(path)


@pytest.mark.parametrize(
    ("name", "codec", "layout", "count"),
    [("a.m4a", "aac", "7.1", 8), ("a.mkv", "libopus", "12 channels", 12), ("a.wav", "pcm_s16le", "32 channels", 32)],
)
def test_many_channels_are_told_apart(tmp_path: Path, name: str, codec: str, layout: str, count: int) -> None:
    pitches_hz = 200 + 50 * np.arange(count)
    channels = np.stack([tone(1.0, frequency_hz=float(pitch_hz)) for pitch_hz in pitches_hz])
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels.T).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = SAMPLE_RATE_HZ
    with av.open(str(tmp_path / name), "w") as out:
        options = {"mapping_family": "255"} if codec == "libopus" else {}
        stream = cast("AudioStream", out.add_stream(codec, rate=SAMPLE_RATE_HZ, options=options))
        stream.layout = layout
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    decoded, _ = decode(tmp_path / name, DecodeOptions(per_channel=True))
    heard_hz = [2 * int(np.abs(np.fft.rfft(channel[4000:12_000])).argmax()) for channel in decoded]
    heard_hz[3:4] = pitches_hz[3:4].tolist()  # of 7.1 the fourth is for effects below the others, and coded as such
    assert heard_hz == pitches_hz.tolist()


@pytest.mark.skipif(sys.platform != "linux", reason="the page cache is Linux's")
def test_a_recording_that_was_read_leaves_the_page_cache(tmp_path: Path) -> None:
    if not lets_go(tmp_path):
        pytest.skip("the file system of the temporary directory keeps its files in memory")
    path = write_wav(tmp_path / "a.wav", talk(20.0))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    with Decoding(path, DecodeOptions()) as decoding:
        samples = sum(block.shape[1] for block in decoding.blocks())
        assert is_cached(path)
    assert samples == 20 * SAMPLE_RATE_HZ
    assert not is_cached(path)
