"""A process that submits and completes jobs for ever and prints each call that returned; made to be killed."""

import asyncio
import itertools
import sys
from pathlib import Path

from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.open import Shared, open_store
from tests.support.builders import START, make_config, make_info, make_job, make_segment

WRITERS = 8
SEGMENTS = 20


async def write(jobs: SqlJobStore, writer: int) -> None:
    for number in itertools.count():
        job = make_job(
            job_id=f"{writer}-{number}", request_id=f"{writer}-{number}", config=make_config(tags=(f"t{writer}",))
        )
        await jobs.submit(job, max_queued_jobs=1_000_000)
        print("submitted", job.job_id, flush=True)
        if number % 2:
            claimed = await jobs.claim(job.job_id, node="node-1", now=START, lease_until=START)
            assert claimed
            await jobs.complete(claimed.lease, make_info(), [make_segment(i) for i in range(SEGMENTS)], now=START)
            print("completed", job.job_id, flush=True)


async def main(data_dir: Path, database_url: str) -> None:
    stores = await open_store(data_dir, shared=Shared(database_url=database_url))
    await asyncio.gather(*(write(stores.jobs, writer) for writer in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
