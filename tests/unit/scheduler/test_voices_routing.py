"""Which model of voices hears who speaks, and what becomes of a job where there is none."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import JobConfig
from stenod_server.engine.fake import FAKE_VOICE_PROFILE, FakeEngine
from stenod_server.errors import EngineUnavailable, OptionNotServed
from stenod_server.ports import VoiceProfile
from stenod_server.scheduler.routing import Router, RoutingTable
from tests.support.builders import FakeClock
from tests.unit.scheduler.rig import TENANT, open_rig

SPEAKERS = JobConfig(diarization=Diarization(mode=DiarizationMode.SPEAKER))
OTHERS = [replace(FAKE_VOICE_PROFILE, model=name) for name in ("b-voices", "a-voices", "c-voices")]


class _Lost(FakeEngine):
    """Nobody answers any more once `lost` is set."""

    lost = False

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        if self.lost:
            raise EngineUnavailable("gone")
        return await super().voice_profiles()


def _router(engine: FakeEngine, preferred: str = "") -> Router:
    return Router(engine, FakeClock(), RoutingTable(voices=preferred))


@pytest.mark.parametrize(("preferred", "chosen"), [("", "a-voices"), ("c-voices", "c-voices"), ("gone", "a-voices")])
async def test_of_several_the_preferred_one_hears_else_the_first_by_name(preferred: str, chosen: str) -> None:
    voices = await _router(FakeEngine(voice_profiles=OTHERS), preferred).voices(SPEAKERS)
    assert voices
    assert voices.model == chosen


@pytest.mark.parametrize("mode", [DiarizationMode.NONE, DiarizationMode.CHANNEL])
async def test_nobody_hears_voices_where_speakers_are_not_told_apart(mode: DiarizationMode) -> None:
    engine = _Lost(voice_profiles=())
    engine.lost = True
    assert await _router(engine).voices(JobConfig(diarization=Diarization(mode=mode))) is None


async def test_while_nobody_answers_what_there_was_counts() -> None:
    engine = _Lost()
    router = _router(engine)
    engine.lost = True
    with pytest.raises(EngineUnavailable):
        await router.voices(SPEAKERS)
    engine.lost = False
    before = await router.voices(SPEAKERS)
    engine.lost = True
    assert await router.voices(SPEAKERS) == before


async def test_a_recording_is_cut_as_both_models_take_it(tmp_path: Path) -> None:
    narrow = replace(FAKE_VOICE_PROFILE, window_max_samples=5 * HZ)
    async with open_rig(tmp_path, engine=FakeEngine(voice_profiles=(narrow,))) as rig:
        for diarization in (SPEAKERS.diarization, Diarization()):
            job = await rig.submit(diarization=diarization)
            await rig.scheduler.wait(TENANT, job.job_id)
        together, alone = rig.front_end.plans
        assert (together.window_target_samples, together.window_max_samples) == (5 * HZ, 5 * HZ)
        assert (alone.window_target_samples, alone.window_max_samples) == (10 * HZ, 30 * HZ)


async def test_a_job_that_nobody_can_hear_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=FakeEngine(voice_profiles=())) as rig:
        with pytest.raises(OptionNotServed, match=r"config\.diarization\.mode.*stenod models add voices"):
            await rig.submit(diarization=SPEAKERS.diarization)
        await rig.submit()
