"""What became of the jobs that a cluster accepted: asked of its API, its database and its bucket."""

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

import obstore
from obstore.store import S3Store

import stenod
from tests.support.audit import Audit, judge, listed_jobs
from tests.support.cluster import BLOBS, BUCKET, Cluster
from tests.support.load import PATIENT, Accepted, insist

SWEPT_S: Final = 75.0  # what could not be removed at once is, by the janitor of some node
_LOOK_S: Final = 1.0
_ENDED: Final = re.compile(r" job_ended .*\battempt=(\d+) .*\bjob_id=(\w+)")  # of a run; the log sorts what it says


async def audit_cluster(cluster: Cluster, accepted: Iterable[Accepted]) -> tuple[Audit, Sequence[str]]:
    """To be called when every client is done. Compares every transcript word for word. Gives the keys of media without
    a job, too: bytes come before the job, so a node that dies in between leaves some, for the janitor, after an hour.
    """
    found = Audit()
    async with stenod.Client(cluster.address, retry=PATIENT) as client:
        listed = {job.job_id: job for job in await insist(lambda: listed_jobs(client))}
        known: set[str] = set()
        for job in accepted:
            found.accepted += 1
            known |= job.job_ids
            await judge(client, job, listed, found)
        found.doubled += [f"job {job_id} is nobody's" for job_id in listed if job_id not in known]
    [[counted]] = await cluster.ask("SELECT coalesce(sum(jobs), 0) FROM usage")
    if int(counted) > found.succeeded + found.deleted:
        found.doubled.append(f"{counted} jobs are counted as used, of {found.succeeded} and {found.deleted} deleted")
    if int(counted) < found.succeeded:
        found.lost.append(f"{counted} jobs are counted as used, of {found.succeeded}")
    found.doubled += await _ended_by_others(cluster)
    rows, nameless = await _left_behind(cluster)
    found.left_over += rows
    return found, nameless


async def _ended_by_others(cluster: Cluster) -> Sequence[str]:
    """Jobs that were not ended by their last run, and by it alone: what a run writes that was taken for dead must be
    refused, also where it is what the last one would have written.
    """
    last = {job_id: int(attempt) for job_id, attempt in await cluster.ask("SELECT job_id, attempt FROM jobs")}
    ended_by: dict[str, list[int]] = {}
    for node in cluster.nodes:
        for attempt, job_id in _ENDED.findall(node.log.read_text()):
            ended_by.setdefault(job_id, []).append(int(attempt))
    return [
        f"job {job_id} was ended by attempts {attempts}, of {last[job_id]}"
        for job_id, attempts in ended_by.items()
        if job_id in last and attempts != [last[job_id]]
    ]


async def _left_behind(cluster: Cluster) -> tuple[Sequence[str], Sequence[str]]:
    """Rows of no job, and blobs of no job once there was time to sweep."""
    rows = await cluster.ask("SELECT job_id, state FROM jobs WHERE state IN ('QUEUED', 'RUNNING')")
    left = [f"job {job_id} is {state} in the database" for job_id, state in rows]
    orphans = await cluster.ask("SELECT DISTINCT job_id FROM segments WHERE job_id NOT IN (SELECT job_id FROM jobs)")
    left += [f"segments of job {job_id}, which is gone" for [job_id] in orphans]
    blobs: Sequence[str] = ()
    for _ in range(int(SWEPT_S / _LOOK_S)):
        blobs = await _blobs_of_nobody(cluster)
        if not blobs:
            break
        await asyncio.sleep(_LOOK_S)
    return left, blobs


async def _blobs_of_nobody(cluster: Cluster) -> Sequence[str]:
    if cluster.to_s3 is None:
        return ()
    environment = cluster.s3_environment
    store = S3Store(
        BUCKET,
        prefix=f"{BLOBS}/blobs",
        endpoint=environment["AWS_ENDPOINT_URL"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region=environment["AWS_REGION"],
        client_options={"allow_http": True},
    )
    keys = {str(meta["path"]) async for page in obstore.list(store) for meta in page}
    wanted = {json.loads(media)["key"] for [media] in await cluster.ask("SELECT media FROM jobs")}
    return sorted(key for key in keys if key.startswith("media/") and key not in wanted)
