"""`wait=N`: an answer that is held back until the job has ended, but not longer than that."""

import asyncio
import contextlib
from typing import Annotated, Final

from fastapi import Query

from stenod_server.domain.job import Job
from stenod_server.errors import Draining
from stenod_server.scheduler.scheduler import Scheduler

MAX_WAIT_S: Final = 60
WaitS = Annotated[int, Query(ge=0, description=f"Seconds to wait for the job to end; at most {MAX_WAIT_S} count")]


async def waited_for(scheduler: Scheduler, tenant: str, job_id: str, wait_s: int) -> Job:
    """The job, after so long at most. Raises JobNotFound."""
    if wait_s:
        # A node that goes away says how far the job is; its successor can be asked again.
        with contextlib.suppress(TimeoutError, Draining):
            async with asyncio.timeout(min(wait_s, MAX_WAIT_S)):
                return await scheduler.wait(tenant, job_id)
    return await scheduler.get(tenant, job_id)
