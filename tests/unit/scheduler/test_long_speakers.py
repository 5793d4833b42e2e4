"""Reduced form of tests/proofs/long_speakers.py: ten hours of speakers take the memory of one hour, and each is told
from the others to the end.
"""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import JobState
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.ports import Window
from stenod_server.store.open import open_store
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

ENGLISH = replace(FAKE_PROFILE, languages=("en",))  # of one language nobody looks after
EVERY_S = 60  # a window, in which somebody else speaks
SPOKEN_S = 6
SPEAKERS = 4
REPORT_S = 4.0  # of the node's clock, for each window and from one report to the next
ATTEMPTS = 8
ALLOWED_BYTES = 1024 * 1024  # more for ten hours than for one; the words alone of a transcript take twice that


def _windows(hours: int, rig: list[Rig]) -> Iterator[Window]:
    for index in range(hours * 3600 // EVERY_S):
        rig[0].clock.advance(REPORT_S)
        start = index * EVERY_S * HZ
        audio = np.full(SPOKEN_S * HZ, index % SPEAKERS + 1, np.int16)
        yield Window(index, start, audio, start, start + SPOKEN_S * HZ)


async def _peak_bytes(directory: Path, hours: int) -> int:
    rigs: list[Rig] = []
    stores = await open_store(directory / "store", gather_s=0.0)
    try:
        front_end = ScriptedFrontEnd(_windows(hours, rigs))
        async with open_rig(
            directory,
            stores=stores,
            engine=FakeEngine((ENGLISH,)),
            front_end=front_end,
            record_interval_s=REPORT_S,
            lease_s=1e6,
        ) as rig:
            rigs.append(rig)
            rig.seen.window_s = SPOKEN_S
            tracemalloc.start()
            job = await rig.submit(diarization=Diarization(mode=DiarizationMode.SPEAKER))
            done = await rig.scheduler.wait(TENANT, job.job_id)
            peak_bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert done.state is JobState.SUCCEEDED
            count = 0
            async for segment in rig.scheduler.segments(job):
                for word in segment.words:
                    assert word.speaker == f"S{word.start_samples // HZ // EVERY_S % SPEAKERS + 1}"
                    count += 1
            assert count == hours * 3600 // EVERY_S * SPOKEN_S
    finally:
        tracemalloc.stop()
        await stores.close()
    return peak_bytes


async def test_ten_hours_of_speakers_take_the_memory_of_one(tmp_path: Path) -> None:
    # The smallest of some: on a busy machine more may be gathered at once.
    one = min([await _peak_bytes(tmp_path / f"1-{run}", 1) for run in range(2)])
    ten = await _peak_bytes(tmp_path / "10-0", 10)
    for run in range(1, ATTEMPTS):
        if ten - one >= ALLOWED_BYTES:
            ten = min(ten, await _peak_bytes(tmp_path / f"10-{run}", 10))
    print(f"peak of one hour {one / 2**20:.1f} MiB, of ten {ten / 2**20:.1f} MiB")
    assert ten - one < ALLOWED_BYTES
