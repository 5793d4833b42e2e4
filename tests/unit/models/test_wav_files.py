import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.export.wav_files import decimated, read_16khz, write_16khz


def tone(hertz: float, rate: int) -> npt.NDArray[np.int16]:
    audio: npt.NDArray[np.int16] = (10_000 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)).astype(np.int16)
    return audio


def test_what_is_written_is_read(tmp_path: Path) -> None:
    audio = tone(440, 16_000)
    write_16khz(tmp_path / "a.wav", audio)
    assert (read_16khz(tmp_path / "a.wav") == audio).all()


def test_downsampling_keeps_speech_and_drops_what_would_alias() -> None:
    kept = decimated(tone(1_000, 48_000), 3)[500:-500]
    expected = tone(1_000, 16_000)[500:-500]
    assert np.abs(kept.astype(int) - expected).max() < 60
    assert np.abs(decimated(tone(11_000, 48_000), 3)[500:-500]).max() < 60


def test_other_rates_are_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "b.wav"), "wb") as opened:
        opened.setparams((1, 2, 44_100, 0, "NONE", ""))
        opened.writeframes(b"\0\0")
    with pytest.raises(ValueError, match="not mono 16-bit"):
        read_16khz(tmp_path / "b.wav")
