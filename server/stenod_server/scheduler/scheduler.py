"""The façade: what a transport may ask of the node. A transport converts; every decision is made below here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from stenod_server.domain.capacity import Capacity
from stenod_server.domain.job import Job, JobConfig, Media
from stenod_server.domain.transcript import Segment
from stenod_server.ports import JobFilter, ModelProfile
from stenod_server.scheduler.options import Adapters, SchedulerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller asks for. `fail_fast`: refuse the job unless its engines are free now, whatever the admission mode.
    `interactive`: somebody waits at the line for the answer, so its windows go before bulk work at the recogniser.
    """

    config: JobConfig
    request_id: str = ""
    fail_fast: bool = False
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job as it is now, and its segments finished since the last update."""

    job: Job
    segments: tuple[Segment, ...] = ()


class Scheduler:
    """One node's scheduler. Built by `app`; `start` before the first call, `stop` once, at the end."""

    def __init__(self, adapters: Adapters, options: SchedulerOptions) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Put back what this node ran before it was restarted, and begin to run jobs."""
        raise NotImplementedError

    async def drain(self, grace_s: float) -> None:
        """Refuse new jobs, claim none, let running ones finish for `grace_s`, hand back the rest. Idempotent."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End at once, handing back what runs. May be called twice, or without `start`."""
        raise NotImplementedError

    # --- jobs ---------------------------------------------------------------------------------------------------

    async def check(self, config: JobConfig, *, fail_fast: bool = False) -> None:
        """Whether a job of this config would be accepted now: before its media is read, or to validate alone.

        Raises what `submit` raises but IdempotencyMismatch. Promises nothing: `submit` decides.
        """
        raise NotImplementedError

    async def submit(self, tenant: str, submission: Submission, media: Media) -> Job:
        """Accept a job whose media is stored. Durable on return; idempotent by `request_id`.

        Raises EnginesUnsatisfiable, ModelNotFound, IdempotencyMismatch, QueueFull, Draining, StoreUnavailable; in
        reject mode or with `fail_fast` EnginesExhausted and EngineUnavailable. The media is the caller's to delete when
        this raises, or when the job that comes back has another media key.
        """
        raise NotImplementedError

    async def get(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFound."""
        raise NotImplementedError

    async def list(self, tenant: str, job_filter: JobFilter, *, limit: int) -> Sequence[Job]:
        """Newest first; at most `limit`."""
        raise NotImplementedError

    async def cancel(self, tenant: str, job_id: str) -> Job:
        """A job that waits ends at once; one that runs within one window. Terminal: unchanged. Raises JobNotFound."""
        raise NotImplementedError

    async def delete(self, tenant: str, job_id: str, *, force: bool = False) -> Job:
        """Erase a job with its media and transcript; `force` cancels it first. Returns it as it was.

        Raises JobNotFound, JobRunning.
        """
        raise NotImplementedError

    async def wait(self, tenant: str, job_id: str) -> Job:
        """The job once it has ended. Raises JobNotFound."""
        raise NotImplementedError

    def watch(
        self, tenant: str, job_id: str, *, from_segment: int = 0, include_segments: bool = True
    ) -> AsyncIterator[JobUpdate]:
        """The job now, then whenever it changed, until it has ended; changes merge for a slow reader, segments are
        never left out. Raises JobNotFound, also when the job is deleted meanwhile.
        """
        raise NotImplementedError

    def segments(self, tenant: str, job_id: str, *, from_index: int = 0) -> AsyncIterator[Segment]:
        """The stored segments of a job, in order. Raises JobNotFound."""
        raise NotImplementedError

    def check_succeeded(self, job: Job) -> None:
        """Raises JobNotFinished, JobExpired, JobFinished unless the job has a transcript."""
        raise NotImplementedError

    # --- the node -----------------------------------------------------------------------------------------------

    async def capacity(self) -> Capacity:
        """Raises StoreUnavailable."""
        raise NotImplementedError

    def watch_capacity(self) -> AsyncIterator[Capacity]:
        """The capacity now, then whenever it changed, at most ten times a second, without end."""
        raise NotImplementedError

    async def models(self) -> Mapping[str, ModelProfile]:
        """The recognisers that are loaded, by name. Raises EngineUnavailable."""
        raise NotImplementedError

    def stalled_s(self) -> float:
        """How long work has been in flight without anything being finished; 0 when nothing is in flight."""
        raise NotImplementedError
