"""A voice that is learnt from a recording before its job is accepted: somebody waits at the line."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import JobConfig
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import Draining, EngineUnavailable
from stenod_server.ports import Window
from stenod_server.scheduler.enrolment import Reference
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

CONFIG = JobConfig(diarization=Diarization(mode=DiarizationMode.SPEAKER))


class _Away(FakeEngine):
    """Waits for a recogniser that does not come back."""

    async def voices(self, *_args: object, **_options: object) -> object:  # type: ignore[override]
        return await asyncio.Event().wait()


def _one_voice() -> ScriptedFrontEnd:
    return ScriptedFrontEnd([Window(0, 0, np.full(3 * HZ, 3, np.int16), 0, 3 * HZ)])


async def _enrol(rig: Rig) -> str:
    media = await rig.media()
    return await rig.scheduler.enrol(Reference(media.key, "known.0"), CONFIG, TENANT)


async def test_a_voice_gets_an_identifier(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=_one_voice()) as rig:
        assert await _enrol(rig)


async def test_who_waits_for_a_voice_does_not_wait_for_ever(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_Away(), front_end=_one_voice(), window_timeout_s=0.01) as rig:
        with pytest.raises(EngineUnavailable, match="in time"):
            await asyncio.wait_for(_enrol(rig), 20)


async def test_a_node_that_drains_hears_nobody(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_Away(), front_end=_one_voice()) as rig:
        await rig.scheduler.drain(0.0)
        with pytest.raises(Draining):
            await asyncio.wait_for(_enrol(rig), 20)
