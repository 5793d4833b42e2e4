"""A node that is killed while it writes who said what loses no word and doubles none."""

import asyncio
import re
import signal
import sys
from pathlib import Path

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.job import JobState
from stenod_server.scheduler.final_pass import BATCH_SEGMENTS
from stenod_server.store.open import open_store
from tests.support.killed_pass import SPEAKERS, WINDOWS, recording
from tests.support.speech import PROJECT_ROOT
from tests.unit.scheduler.rig import TENANT, open_rig


async def test_a_kill_in_the_final_pass_leaves_every_word_once(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.killed_pass", str(tmp_path),
        cwd=PROJECT_ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    (job_id,) = re.findall(r"^JOB (\w+)$", said.decode(), re.MULTILINE)
    stores = await open_store(tmp_path)
    half = [segment async for segment in stores.jobs.segments(job_id)]
    assert BATCH_SEGMENTS < len(half) < WINDOWS  # killed behind the second batch
    assert len([draft async for draft in stores.jobs.segments(job_id, final=False)]) == WINDOWS
    async with open_rig(tmp_path, stores=stores, front_end=recording()) as rig:
        done = await rig.scheduler.wait(TENANT, job_id)
        assert (done.state, done.attempt, rig.engine.completed) == (JobState.SUCCEEDED, 2, 0)
        segments = [segment async for segment in rig.scheduler.segments(done)]
    words = [(word.start_samples, word.speaker) for segment in segments for word in segment.words]
    assert words == [
        ((window * 3 + second) * HZ, f"S{window % SPEAKERS + 1}") for window in range(WINDOWS) for second in range(2)
    ]
    assert [draft async for draft in stores.jobs.segments(job_id, final=False)] == []
    await stores.close()
