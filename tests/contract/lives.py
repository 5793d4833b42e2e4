"""Jobs brought to where a contract test wants them."""

from datetime import timedelta

from stenod_server.domain.job import Failure, Job
from stenod_server.domain.transcript import Segment
from stenod_server.store.jobs import SqlJobStore
from tests.support.builders import START, make_job

ROOM = 1000
NOW = START + timedelta(days=1)
LATER = NOW + timedelta(hours=1)
UNTIL = NOW + timedelta(seconds=30)
FAILURE = Failure("ENGINE_UNAVAILABLE", "nobody answers", retryable=True)


async def submitted(store: SqlJobStore, **changes: object) -> Job:
    return await store.submit(make_job(**changes), max_queued_jobs=ROOM)


async def running(store: SqlJobStore, **changes: object) -> Job:
    job = await store.claim((await submitted(store, **changes)).job_id, node="node-1", now=NOW, lease_until=UNTIL)
    assert job is not None
    return job


async def stored_segments(store: SqlJobStore, job: Job, from_index: int = 0) -> list[Segment]:
    return [segment async for segment in store.segments(job.job_id, from_index=from_index)]


async def stored_drafts(store: SqlJobStore, job: Job) -> list[Segment]:
    return [segment async for segment in store.segments(job.job_id, final=False)]
