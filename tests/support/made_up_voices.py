"""Recordings of the voices that FakeEngine tells apart, and a front end that leaves them as they are."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan


class PlainFrontEnd:
    """One window of a WAV file at 16 000 Hz, as it is."""

    @asynccontextmanager
    async def windows(
        self, path: Path, plan: WindowPlan
    ) -> AsyncIterator[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        del plan
        yield self._stream(path)

    async def _stream(self, path: Path) -> AsyncIterator[Window | AudioProgress | AudioSummary]:
        with wave.open(str(path)) as opened:
            audio = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        yield Window(0, 0, audio, 0, len(audio))
        yield AudioSummary(len(audio), len(audio), 1, 1, SAMPLE_RATE_HZ, "pcm_s16le", "wav")

    async def close(self) -> None: ...


def recording(*voices: int) -> bytes:
    """A second of each of these voices of FakeEngine, which goes by the first sample of each second."""
    audio = np.zeros(len(voices) * SAMPLE_RATE_HZ, np.int16)
    audio[::SAMPLE_RATE_HZ] = voices
    written = io.BytesIO()
    with wave.open(written, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(SAMPLE_RATE_HZ)
        opened.writeframes(audio.tobytes())
    return written.getvalue()
