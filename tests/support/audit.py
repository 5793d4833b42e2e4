"""What became of the jobs that a server accepted: asked of the API, and of the database and the files behind it."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import stenod
from stenod import errors
from stenod.results import Job, JobState
from tests.support.load import PATIENT, Accepted, Heard, Intent, heard, insist

WHOLE = {
    Intent.KEEP: {JobState.SUCCEEDED},
    Intent.CANCEL: {JobState.SUCCEEDED, JobState.CANCELLED},
    Intent.DELETE: set[JobState](),
}


@dataclass(slots=True)
class Audit:
    """Each entry is a sentence about one job or one thing."""

    accepted: int = 0
    succeeded: int = 0
    deleted: int = 0  # of these nobody can tell whether they had succeeded before
    attempts: Counter[int] = field(default_factory=Counter)  # jobs by how often they were started
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.left_over]


async def audit(address: str, data_dir: Path, accepted: Iterable[Accepted]) -> Audit:
    """To be called when every client is done. Compares every transcript word for word."""
    found = Audit()
    async with stenod.Client(address, retry=PATIENT) as client:
        listed = {job.job_id: job for job in await insist(lambda: listed_jobs(client))}
        known: set[str] = set()
        for job in accepted:
            found.accepted += 1
            known |= job.job_ids
            await judge(client, job, listed, found)
        found.doubled += [f"job {job_id} is nobody's" for job_id in listed if job_id not in known]
        capacity = await insist(client.capacity)
    if capacity.unused_engines != capacity.max_engines or capacity.active_job_ids or capacity.queued_job_count:
        found.left_over.append(f"the idle node is not idle: {capacity}")
    found.left_over += _left_behind(data_dir)
    counted = _counted_jobs(data_dir)
    if counted > found.succeeded + found.deleted:
        found.doubled.append(f"{counted} jobs are counted as used, of {found.succeeded} and {found.deleted} deleted")
    if counted < found.succeeded:
        found.lost.append(f"{counted} jobs are counted as used, of {found.succeeded}")
    return found


async def judge(client: stenod.Client, job: Accepted, listed: dict[str, Job], found: Audit) -> None:
    if len(job.job_ids) > 1:
        found.doubled.append(f"request {job.request_id} made the jobs {sorted(job.job_ids)}")
    for job_id in job.job_ids:
        is_listed = job_id in listed
        if job.intent is Intent.DELETE:
            found.deleted += 1
            if is_listed:
                found.left_over.append(f"job {job_id} was deleted and is there, {listed[job_id].state}")
            continue
        if not is_listed:
            found.lost.append(f"job {job_id} was accepted and is not there")
            continue
        state = listed[job_id].state
        found.attempts[listed[job_id].proto.attempt_count] += 1
        if state not in WHOLE[job.intent]:
            found.lost.append(f"job {job_id} ({job.intent}) is {state}: {listed[job_id].error!r}")
        elif state is JobState.SUCCEEDED:
            found.succeeded += 1
            found.lost += await _differences(client, job_id, job.material.heard)


async def _differences(client: stenod.Client, job_id: str, expected: Heard) -> list[str]:
    try:
        transcript = await insist(lambda: client.transcript(job_id))
    except errors.StenodError as error:
        return [f"the transcript of job {job_id} cannot be read: {error.message}"]
    problems = []
    indexes = [segment.index for segment in transcript.segments]
    if indexes != list(range(len(indexes))):
        problems.append(f"job {job_id} has the segments {indexes}")
    if heard(transcript) != expected:
        problems.append(f"job {job_id} says {len(transcript.words)} words other than the {len(expected)} expected")
    return problems


async def listed_jobs(client: stenod.Client) -> list[Job]:
    jobs = [job async for job in client.jobs()]
    doubled = [job_id for job_id, count in Counter(job.job_id for job in jobs).items() if count > 1]
    assert not doubled, f"listed twice: {doubled}"
    return jobs


def _left_behind(data_dir: Path) -> Iterator[str]:
    """Rows and files that belong to no job. Reads the database as another process would."""
    with closing(sqlite3.connect(f"file:{data_dir / 'stenod.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT job_id, state, media FROM jobs").fetchall()
        orphans = database.execute("SELECT DISTINCT job_id FROM segments WHERE job_id NOT IN (SELECT job_id FROM jobs)")
        yield from (f"segments of job {job_id}, which is gone" for (job_id,) in orphans)
    yield from (
        f"job {job_id} is {state} in the database" for job_id, state, _ in rows if state in {"QUEUED", "RUNNING"}
    )
    wanted = {json.loads(media)["key"] for _, _, media in rows}
    yield from (f"blob {key} is no job's" for key in _blobs(data_dir) if key not in wanted)


def _counted_jobs(data_dir: Path) -> int:
    with closing(sqlite3.connect(f"file:{data_dir / 'stenod.db'}?mode=ro", uri=True)) as database:
        [count] = database.execute("SELECT coalesce(sum(jobs), 0) FROM usage").fetchone()
    return int(count)


def _blobs(data_dir: Path) -> Sequence[str]:
    root = data_dir / "blobs"
    return [str(path.relative_to(root)) for path in (root / "media").rglob("*") if path.is_file()]
