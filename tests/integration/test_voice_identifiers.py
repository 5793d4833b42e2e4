"""Identifiers of voices through a whole node, with voices that are made up."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.engine.fake import FAKE_VOICE_PROFILE
from stenod_server.errors import InvalidField
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan
from tests.support.node import fake_node
from tests.support.tenants import HurryingClock
from tests.support.voice_identifiers import open_desk, try_identifiers

LOOK_AGAIN_S = 10.0


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


def recording(voice: int, seconds: int) -> bytes:
    """Of one of the voices of FakeEngine, which goes by the first sample of each second."""
    audio = np.zeros(seconds * SAMPLE_RATE_HZ, np.int16)
    audio[::SAMPLE_RATE_HZ] = voice
    written = io.BytesIO()
    with wave.open(written, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(SAMPLE_RATE_HZ)
        opened.writeframes(audio.tobytes())
    return written.getvalue()


async def test_an_identifier_is_good_for_its_user_alone(tmp_path: Path) -> None:
    clock = HurryingClock()

    def pass_time() -> None:
        clock.ahead_s += LOOK_AGAIN_S

    open_with = partial(fake_node, tmp_path, front_end=PlainFrontEnd(), clock=clock)
    async with open_desk(tmp_path, open_with, pass_time) as desk:
        trials = [t async for t in try_identifiers(desk, recording(3, 6), recording(3, 7), FAKE_VOICE_PROFILE)]
        stranger = await desk.ask(recording(4, 6))
    assert not [str(trial) for trial in trials if not trial.is_passed]
    assert len(trials) > 10
    assert stranger.labels == ["S1"]


async def test_a_secret_that_is_no_good_stops_the_start_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "s.7").write_bytes(b"too short")
    with pytest.raises(InvalidField, match=r"speaker_secrets_dir: .*s\.7 has 9 bytes"):
        async with fake_node(tmp_path, speaker_secrets_dir=tmp_path):
            pass


async def test_a_node_without_secrets_makes_its_own_and_keeps_it(tmp_path: Path) -> None:
    for _ in range(2):
        async with fake_node(tmp_path, front_end=PlainFrontEnd()):
            (path,) = (tmp_path / "data" / "speaker-secrets").iterdir()
            kept = (path.name, path.read_bytes())
    assert (path.name, path.read_bytes()) == kept
