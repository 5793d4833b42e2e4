"""Where jobs, their segments and their results are kept."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stenod_server.domain.job import Checkpoint, Failure, Job, JobState, Lease, Media, Progress
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.ports.cluster import PlaceRequest
from stenod_server.ports.media import Written


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list, newest first. Empty = all. `before` is (create_time, job_id) of the last job seen; `since`
    leaves out what was created at that time or earlier.
    """

    states: tuple[JobState, ...] = ()
    user_id: str = ""
    tag: str = ""
    before: tuple[datetime, str] | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Jobs of a tenant with the same digest have the same transcript. What was stored before `since` is too old."""

    digest: str
    since: datetime


class JobStore(Protocol):
    """Jobs, their segments and their results; durable when a call returns.

    Every write that changes a state goes through the transition table and is atomic; where the job has moved on in
    the meantime, the call changes nothing and returns None. Whoever runs a job writes under its lease: a write under
    a lease that was lost changes nothing. Any call may raise StoreUnavailable.
    """

    async def submit(
        self,
        job: Job,
        *,
        max_queued_jobs: int,
        limits: TenantLimits = NO_LIMITS,
        cache: CacheKey | None = None,
        place: PlaceRequest | None = None,
        written: Written = None,
    ) -> Job:
        """Store a QUEUED job. With a `request_id` used before by the tenant, return that job instead.

        With `written`, the job is stored once that is done, and not at all where it failed: its exception is raised.

        With `cache`, where the tenant has that transcript already, the job is SUCCEEDED with a copy of it; that needs
        no place in the queue and uses no quota up.

        With `place` a node promises it its engines in the same step, or it is refused.

        Raises IdempotencyMismatch (other fingerprint), JobNotFound (that job was deleted since), QueueFull,
        QuotaExceeded (the tenant's `max_queued_jobs`, `audio_hours_per_day`); with `place` EnginesExhausted, and
        QuotaExceeded for `max_running_engines`.
        """
        ...

    async def get(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFound."""
        ...

    async def list(self, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
        """Newest first; at most `limit`."""
        ...

    async def queued(self, *, now: datetime, limit: int) -> Sequence[Job]:
        """The foremost QUEUED jobs that need not wait any longer: every tenant's first (by priority, then age), then
        every tenant's second, …
        """
        ...

    async def counts(self) -> Mapping[JobState, int]:
        """Of all jobs that are kept, however many."""
        ...

    async def count_queued(self) -> int:
        """As `counts`, of those that wait alone: what that costs does not grow with those that have ended."""
        ...

    # Running a job.

    async def claim(self, job_id: str, *, node: str, now: datetime, lease_until: datetime) -> Job | None:
        """QUEUED → RUNNING under a new lease; keeps what is behind the checkpoint, and counts the attempt."""
        ...

    async def renew(self, leases: Sequence[Lease], *, lease_until: datetime) -> Mapping[str, bool]:
        """The heartbeat. Gives the ids of the jobs that are still held so, and whether each is to be cancelled."""
        ...

    async def release(
        self, lease: Lease, *, now: datetime, failure: Failure | None = None, not_before: datetime | None = None
    ) -> Job | None:
        """RUNNING → QUEUED, in its old place in the order; → CANCELLED where that was requested meanwhile.

        It waits until `not_before`. With `failure` that counts as one.
        """
        ...

    async def rescue(self, node: str, *, now: datetime, max_rescues: int) -> Sequence[Job]:
        """As `release`, for every job this node held before it was restarted.

        A job that is rescued for the `max_rescues`-th time without progress in between → FAILED (POISON_JOB).
        """
        ...

    async def rescue_expired(self, *, now: datetime, max_rescues: int) -> Sequence[Job]:
        """As `rescue`, for every job whose lease has run out, whoever held it."""
        ...

    async def restart(self, lease: Lease) -> None:
        """Forget the checkpoint, the segments and the drafts of earlier attempts."""
        ...

    async def fetched(self, lease: Lease, media: Media) -> Job | None:
        """The media of a RUNNING job is in the blob store now; its address's secrets are forgotten."""
        ...

    async def record(
        self,
        lease: Lease,
        progress: Progress,
        segments: Sequence[Segment],
        *,
        now: datetime,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Progress and finished segments of a RUNNING job. Group-committed: durable soon, not at once; what is given
        in one call becomes durable together.

        A segment under an index that is stored already replaces it; drafts (not `final`) are numbered on their own. An
        error may be that of the report before.
        """
        ...

    async def finalise(self, lease: Lease, segments: Sequence[Segment]) -> bool:
        """The next final segments of a RUNNING job whose drafts are all stored; the next attempt forgets them.

        False: the lease was lost.
        """
        ...

    async def complete(
        self,
        lease: Lease,
        info: TranscriptInfo,
        segments: Sequence[Segment],
        *,
        now: datetime,
        cache: CacheKey | None = None,
    ) -> Job | None:
        """RUNNING → SUCCEEDED with the last segments; the transcript is whole and durable on return, drafts are gone.

        The tenant's use of that day counts it, once. With `cache`, others may use the transcript while the job has it.
        """
        ...

    async def reuse(self, job: Job, cache: CacheKey, *, now: datetime) -> Job | None:
        """RUNNING → SUCCEEDED, under the job's lease, with a copy of the transcript that the tenant has already.

        None: there is none; or the lease was lost.
        """
        ...

    async def fail(self, lease: Lease, failure: Failure, *, now: datetime) -> Job | None: ...

    async def cancelled(self, lease: Lease, *, now: datetime) -> Job | None:
        """RUNNING → CANCELLED, by the executor."""
        ...

    # Ending a job from outside.

    async def fail_late(self, *, now: datetime) -> Sequence[Job]:
        """QUEUED → FAILED (JOB_DEADLINE_EXCEEDED) for every job whose deadline has passed while it waited."""
        ...

    async def request_cancel(self, tenant: str, job_id: str, *, now: datetime) -> Job:
        """QUEUED → CANCELLED at once; a RUNNING job is marked and its executor cancels it. Terminal: unchanged.

        Raises JobNotFound.
        """
        ...

    async def delete(self, tenant: str, job_id: str) -> Job:
        """Erase the job, its segments and its result; the `request_id` stays known. Returns it as it was.

        Raises JobNotFound, JobRunning.
        """
        ...

    def segments(self, job_id: str, *, from_index: int = 0, final: bool = True) -> AsyncIterator[Segment]:
        """The stored segments in order, streamed; or, not `final`, the drafts."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SpentMedia:
    """Media in the blob store that nobody will ask for again, and the job it was of."""

    job_id: str
    key: str


class RetentionStore(Protocol):
    """What is forgotten when its time is up. Each call is one transaction on at most `limit` rows, the oldest first,
    and gives what it was done to: less than `limit` means that nothing is left to do. Any call may raise
    StoreUnavailable.
    """

    async def spent_media(self, *, now: datetime, keep: bool, limit: int) -> Sequence[SpentMedia]:
        """Media of jobs that have ended; with `keep`, or of a job that keeps its media, once its retention has ended
        too.
        """
        ...

    async def forget_media(self, spent: Sequence[SpentMedia]) -> None:
        """The jobs have no media any more; to be called once the bytes are gone."""
        ...

    async def expire(self, *, now: datetime, limit: int) -> Sequence[str]:
        """Ended jobs whose retention is over → EXPIRED, kept for as long again. Their transcripts and the secrets of
        their addresses are erased. Gives their ids.
        """
        ...

    async def purge(self, *, now: datetime, limit: int) -> int:
        """Forget EXPIRED jobs whose second retention is over, and the request ids of jobs deleted a retention ago."""
        ...

    async def forget_results(self, *, before: datetime, limit: int) -> int:
        """Transcripts that were stored before then are not used again."""
        ...

    async def named(self, keys: Collection[str]) -> AbstractSet[str]:
        """Those of the keys that an upload has, or a job, or that the media of a job on its way would get."""
        ...

    async def scrub(self) -> bool:
        """See that erased text is nowhere in the database's files any more. False: somebody reads; ask again."""
        ...
