"""A job that asks for its channels gets them, through the scheduler and the store."""

from pathlib import Path

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.recognition.test_recorded_channels import window
from tests.unit.scheduler.rig import TENANT, open_rig

ASKED = Diarization(mode=DiarizationMode.CHANNEL, channel_labels=("Agent", "Caller", "Nobody"))


def two_channels() -> ScriptedFrontEnd:
    return ScriptedFrontEnd([window(0, 0), window(1, 1, 1), window(2, 4)], channels=2, duration_samples=6 * HZ)


async def test_a_job_by_channel_is_cut_by_channel_and_labelled(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=two_channels()) as rig:
        asked = await rig.submit(language="en", diarization=ASKED)
        job = await rig.scheduler.wait(TENANT, asked.job_id)
        segments = [segment async for segment in rig.scheduler.segments(job)]
    assert [plan.per_channel for plan in rig.front_end.plans] == [True]
    assert job.info is not None
    assert job.info.channels == ("Agent", "Caller")
    assert {segment.channel for segment in segments} == {"Agent", "Caller"}
    assert job.info.duration_s == 6.0  # audio is counted once, however many channels it has


async def test_any_other_job_has_its_channels_mixed(tmp_path: Path) -> None:
    async with open_rig(tmp_path, front_end=two_channels()) as rig:
        job = await rig.scheduler.wait(TENANT, (await rig.submit(language="en")).job_id)
    assert [plan.per_channel for plan in rig.front_end.plans] == [False]
    assert job.info is not None
    assert job.info.channels == ()
