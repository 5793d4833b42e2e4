"""Jobs that exist because somebody waits at the line.

A caller that goes away before its job has ended may come back: clients repeat a call that broke off, with the whole
recording. So the job is kept for a grace; who asks for the same in that time, or while others still wait, joins it.
When nobody has come, it is cancelled. All of this is this node's memory: after a restart such a job runs to its end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import structlog

from stenod_server import errors
from stenod_server.domain.job import Job, JobConfig, JobState, Media
from stenod_server.errors import Broken, InvalidRequest, JobFinished, StenodError, Unavailable
from stenod_server.scheduler.fingerprint import fingerprint
from stenod_server.scheduler.intake import Intake, RemoteOrigin, StoredMedia
from stenod_server.scheduler.scheduler import Scheduler, Submission

AttendedOrigin: TypeAlias = StoredMedia | RemoteOrigin
_Key: TypeAlias = tuple[str, str]  # tenant, fingerprint
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attended:
    """A job that its caller waits for. `job` is as it was accepted; an earlier caller's where this one joined it."""

    job: Job
    _ending: asyncio.Task[Job]

    async def wait(self) -> Job:
        """The job, SUCCEEDED. Raises Draining, StoreUnavailable, and what the job failed of (see `failure_of`)."""
        job = await asyncio.shield(self._ending)
        if job.state is not JobState.SUCCEEDED:
            raise failure_of(job)
        return job


@dataclass(slots=True, eq=False)
class _Visit:
    """One job, and how many wait for it. `ending` gives the job when it has ended."""

    tenant: str
    submitting: asyncio.Task[Job]
    ending: asyncio.Task[Job]
    present: int = 0
    timer: asyncio.TimerHandle | None = field(default=None)

    @property
    def is_over(self) -> bool:
        return self.ending.done() and not self.ending.cancelled() and self.ending.exception() is None

    @property
    def can_be_joined(self) -> bool:
        """Whether who asks for the same gets what they want: not so where trying again may give another result."""
        if not self.ending.done():
            return True
        if not self.is_over:
            return False
        job = self.ending.result()
        return job.state is JobState.SUCCEEDED or (job.failure is not None and not job.failure.retryable)

    def enter(self) -> None:
        self.present += 1
        if self.timer:
            self.timer.cancel()
            self.timer = None


class Attendance:
    """Who waits for which job, on this node."""

    def __init__(self, scheduler: Scheduler, intake: Intake, *, grace_s: float) -> None:
        self._scheduler = scheduler
        self._intake = intake
        self._grace_s = grace_s
        self._visits: dict[_Key, _Visit] = {}
        self._endings: set[asyncio.Task[Job]] = set()
        self._cancelling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def attend(self, tenant: str, submission: Submission, origin: AttendedOrigin) -> AsyncIterator[Attended]:
        """Submit a job, or join the same one of the tenant, and be there for it while the context is open.

        The media is this call's from its beginning: submitted, or discarded. Left without an exception, the caller has
        what it came for; left with one, the job lives on for the grace. Raises what `Intake.submit` raises.
        """
        key = tenant, _fingerprint(submission.config, origin)
        visit = self._visits.get(key)
        has_joined = visit is not None and visit.can_be_joined
        if visit is None or not has_joined:
            visit = self._visits[key] = self._begin(tenant, submission, origin)
        visit.enter()
        is_served = False
        try:
            job = await asyncio.shield(visit.submitting)
            if has_joined:
                _log.info("job_joined", job_id=job.job_id)
                await self._discard(origin)
            yield Attended(job, visit.ending)
            is_served = True
        finally:
            self._leave(key, visit, is_served=is_served)

    async def close(self) -> None:
        """Forget everybody; jobs are left as they are. To be called when nobody waits any more."""
        for visit in self._visits.values():
            if visit.timer:
                visit.timer.cancel()
        for ending in self._endings:
            ending.cancel()
        await asyncio.gather(*self._endings, *self._cancelling, return_exceptions=True)

    def _begin(self, tenant: str, submission: Submission, origin: AttendedOrigin) -> _Visit:
        # A task of its own: a caller that goes away in the middle must not leave it open whether there is a job.
        submitting = asyncio.create_task(self._intake.submit(tenant, submission, origin))
        ending = asyncio.create_task(self._ended(tenant, submitting))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        ending.add_done_callback(_take_note)
        return _Visit(tenant, submitting, ending)

    async def _ended(self, tenant: str, submitting: asyncio.Task[Job]) -> Job:
        job = await submitting
        return job if job.state.is_terminal else await self._scheduler.wait(tenant, job.job_id)

    async def _discard(self, origin: AttendedOrigin) -> None:
        if isinstance(origin, StoredMedia):
            await self._intake.discard(origin.media)

    def _leave(self, key: _Key, visit: _Visit, *, is_served: bool) -> None:
        visit.present -= 1
        if visit.present:
            return
        if is_served or not visit.can_be_joined:
            self._end(key, visit)
        else:
            visit.timer = asyncio.get_running_loop().call_later(self._grace_s, self._end, key, visit)

    def _end(self, key: _Key, visit: _Visit) -> None:
        if self._visits.get(key) is visit:
            del self._visits[key]
        if not visit.is_over:
            cancelling = asyncio.create_task(self._cancel(visit))
            self._cancelling.add(cancelling)
            cancelling.add_done_callback(self._cancelling.discard)

    async def _cancel(self, visit: _Visit) -> None:
        """Do not transcribe for nobody. Where the store does not answer, the job runs to its end."""
        with contextlib.suppress(StenodError):
            job = await visit.submitting
            _log.info("job_abandoned", job_id=job.job_id)
            await self._scheduler.cancel(visit.tenant, job.job_id)


def failure_of(job: Job) -> StenodError:
    """Why a job that has ended has no transcript: InvalidRequest, Unavailable or Broken, by whose fault it is, with the
    leaf's reason as metadata `reason`; JobFinished where it was cancelled.
    """
    if job.failure is None or job.state is not JobState.FAILED:
        return JobFinished(f"job {job.job_id!r} is {job.state}: it has no transcript", state=job.state)
    failure = job.failure
    root = Unavailable if failure.retryable else InvalidRequest if failure.reason in _CALLERS_FAULTS else Broken
    return root(failure.message, reason=failure.reason)


def _reasons(kind: type[StenodError]) -> Iterator[str]:
    yield kind.reason
    for leaf in kind.__subclasses__():
        yield from _reasons(leaf)


_CALLERS_FAULTS: Final = frozenset(_reasons(errors.InvalidRequest))


def _fingerprint(config: JobConfig, origin: AttendedOrigin) -> str:
    """What a repeated call has in common with the first: everything but the id of the request."""
    match origin:
        case StoredMedia(media=media):
            pass
        case RemoteOrigin(remote=remote):
            media = Media(key="", remote=remote)
    return fingerprint(media, replace(config, origin=replace(config.origin, request_id="")))


def _take_note(ending: asyncio.Task[Job]) -> None:
    """Whoever still waits is told; where nobody does, it is no news to anybody."""
    if not ending.cancelled():
        ending.exception()
