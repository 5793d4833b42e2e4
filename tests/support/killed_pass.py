"""A process that is killed in the middle of a job's final pass: `python -m tests.support.killed_pass DIR`.

The job tells speakers apart; its drafts are stored, and so are two batches of its final segments.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import Lease
from stenod_server.domain.transcript import Segment
from stenod_server.ports import JobStore, Window
from stenod_server.store.open import open_store
from tests.support.front_end import ScriptedFrontEnd
from tests.unit.scheduler.rig import TENANT, open_rig

JOB: Final = Diarization(mode=DiarizationMode.SPEAKER)
WINDOWS: Final = 700  # more drafts than two batches
SPEAKERS: Final = 3


def recording() -> ScriptedFrontEnd:
    """Two seconds of one speaker after the other, with a pause behind each."""
    starts = [index * 3 * HZ for index in range(WINDOWS)]
    return ScriptedFrontEnd(
        Window(index, start, np.full(2 * HZ, index % SPEAKERS + 1, np.int16), start, start + 2 * HZ)
        for index, start in enumerate(starts)
    )


class _Killing:
    """A store that kills its process instead of storing the third batch."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._left = 2

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def finalise(self, lease: Lease, segments: Sequence[Segment]) -> bool:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return await self._store.finalise(lease, segments)


async def _main(directory: Path) -> None:
    stores = await open_store(directory)
    # Reports go with the number of segments alone: the clock stands still.
    async with open_rig(
        directory,
        stores=stores,
        front_end=recording(),
        around=_Killing,  # type: ignore[arg-type]
        record_interval_s=1.0,
    ) as rig:
        job = await rig.submit(diarization=JOB)
        print("JOB", job.job_id, flush=True)
        await rig.scheduler.wait(TENANT, job.job_id)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
