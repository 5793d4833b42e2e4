"""A delivery may be cancelled anywhere: nothing of the recording it carries is left open."""

import asyncio
from pathlib import Path

import psutil

from stenod_server.scheduler.letter_parts import PIECE_BYTES, media_part, multipart
from tests.support.builders import make_job
from tests.support.eventually import eventually

RECORDING = bytes(range(256)) * (PIECE_BYTES // 128)  # two pieces


async def test_a_recording_is_read_whole_as_often_as_it_is_asked_for(tmp_path: Path) -> None:
    part = media_part(make_job(), _stored(tmp_path))
    for _ in range(2):
        assert b"".join([chunk async for chunk in part.chunks()]) == RECORDING


async def test_a_recording_that_is_cancelled_while_it_is_read_is_not_left_open(tmp_path: Path) -> None:
    path = _stored(tmp_path)
    for turns in range(40):
        reading = asyncio.create_task(_read(path))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await eventually(lambda: str(path) not in [file.path for file in psutil.Process().open_files()])


def _stored(directory: Path) -> Path:
    path = directory / "recording"
    path.write_bytes(RECORDING)
    return path


async def _read(path: Path) -> None:
    async for _ in multipart([media_part(make_job(), path)], "boundary"):
        await asyncio.sleep(0)
