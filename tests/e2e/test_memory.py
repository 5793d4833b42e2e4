"""Reduced form of tests/proofs/memory.py: twice the length takes no more memory."""

import asyncio
from pathlib import Path

import psutil
import pytest

import stenod
from tests.proofs.memory import ALLOWED_RATIO, Peak, repeated, watch
from tests.support.server import RunningServer
from tests.support.speech import needs_speech, recordings

pytestmark = [pytest.mark.triton, *needs_speech]


async def test_memory_does_not_grow_with_duration(server: RunningServer, client: stenod.Client, tmp_path: Path) -> None:
    [longest] = recordings("long")
    process = psutil.Process(server.process.pid)
    peaks = []
    for times in (1, 2):
        peak = Peak()
        watching = asyncio.create_task(watch(process, peak))
        transcript = await client.transcribe(repeated(longest.path, times, tmp_path / f"{times}.mp3"))
        watching.cancel()
        assert transcript.duration_s == pytest.approx(times * longest.duration_s, abs=1)
        peaks.append(peak.server)
    assert peaks[1] <= ALLOWED_RATIO * peaks[0]
