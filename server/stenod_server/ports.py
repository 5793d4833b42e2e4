"""The roles that the outside plays for the domain. Adapters live in `engine/`, `store/`, `audio/`, `telemetry/`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stenod_server.domain.access import Credentials, Principal
from stenod_server.domain.job import Checkpoint, Failure, Job, JobState, Lease, Media, Progress, RemoteMedia
from stenod_server.domain.quota import NO_LIMITS, TenantLimits
from stenod_server.domain.transcript import Segment, TranscriptInfo, Word

Int16Audio = npt.NDArray[np.int16]


class Clock(Protocol):
    """Time as an argument: the wall clock in aware UTC, and seconds that never go back."""

    def now(self) -> datetime: ...

    def monotonic_s(self) -> float: ...


# --- recognition ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What the server needs to know of a recogniser (see `stenod_models.contract.Profile`). Lengths in samples."""

    model: str
    family: str
    languages: tuple[str, ...]
    window_target_samples: int
    window_max_samples: int
    length_buckets_samples: tuple[int, ...]
    max_batch_size: int
    instances: int
    tasks: tuple[str, ...]
    operating_points: tuple[str, ...]
    default_engines: int
    revision: str = ""  # of what it was built from; empty: unknown


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A slice of one channel, recognised on its own. `index` counts from 0; offsets are samples of the file.

    `audio` is int16 (samples,) at 16 000 Hz. Words that start outside `keep_start_samples:keep_end_samples` belong to
    a neighbour and are dropped when the window carries context on either side.
    """

    index: int
    start_samples: int
    audio: Int16Audio
    keep_start_samples: int
    keep_end_samples: int
    channel: int = 0

    @property
    def end_samples(self) -> int:
        return self.start_samples + len(self.audio)


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """How a window is to be recognised: one config gives one of these for all of its windows."""

    model: str
    language: str = "auto"
    task: str = "transcribe"
    interactive: bool = False  # ahead of bulk work in Triton's queue


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The words of a window. Word offsets are samples from the start of the *window*, ordered, inside it."""

    words: tuple[Word, ...]
    language: str
    language_confidence: float
    no_speech: float


class Engine(Protocol):
    """Recognises windows. One call is one engine in use; the adapter batches nothing itself."""

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """Recognise int16 (samples,) at 16 000 Hz. Cancelling the task cancels the work at the recogniser.

        Raises EngineUnavailable, WindowTimeout (transient), ModelNotFound, InvalidField (the recogniser refused the
        request), ContractViolation.
        """
        ...

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """The recognisers that are loaded, by name. Raises EngineUnavailable."""
        ...

    async def batch_statistics(self) -> Mapping[int, int]:
        """How often each batch size was executed since the recognisers started. Raises EngineUnavailable."""
        ...

    def is_ready(self) -> bool:
        """Whether the last canary recognition gave the expected words. Never blocks."""
        ...

    async def close(self) -> None: ...


# --- audio ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """How the front end cuts: trim in seconds (`end_s` 0 = to the end), window lengths in samples, caps.

    `per_channel` gives windows of each channel on its own; otherwise the channels are averaged into one.
    """

    window_target_samples: int
    window_max_samples: int
    start_s: float = 0.0
    end_s: float = 0.0
    max_decoded_s: float = 24 * 3600.0
    max_channels: int = 32
    max_sample_rate_hz: int = 384_000
    per_channel: bool = False


@dataclass(frozen=True, slots=True)
class AudioProgress:
    """How far decoding is: `decoded_samples` so far, `estimated_samples` in all (0 = unknown)."""

    decoded_samples: int
    estimated_samples: int


@dataclass(frozen=True, slots=True)
class AudioSummary:
    """The last item of a front end's stream. `damage` is empty, or says what cut the recording short."""

    duration_samples: int
    speech_samples: int
    windows: int
    channels: int
    sample_rate_hz: int
    codec: str
    container: str
    damage: str = ""


class AudioFrontEnd(Protocol):
    """Decodes, finds speech and cuts windows, in a worker process that can be killed."""

    def windows(
        self, path: Path, plan: WindowPlan
    ) -> AbstractAsyncContextManager[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        """Stream the windows of a media file in order of time; the last item is the AudioSummary.

        Back-pressure: the worker stops when nobody reads. Leaving the context early kills or frees the worker.

        Raises UnsupportedMedia, NoAudio, LimitExceeded (bad input), DecoderDied (transient).
        """
        ...

    async def close(self) -> None: ...


# --- store ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list, newest first. Empty = all. `before` is (create_time, job_id) of the last job seen."""

    states: tuple[JobState, ...] = ()
    user_id: str = ""
    tag: str = ""
    before: tuple[datetime, str] | None = None


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
        self, job: Job, *, max_queued_jobs: int, limits: TenantLimits = NO_LIMITS, cache: CacheKey | None = None
    ) -> Job:
        """Store a QUEUED job. With a `request_id` used before by the tenant, return that job instead.

        With `cache`, where the tenant has that transcript already, the job is SUCCEEDED with a copy of it; that needs
        no place in the queue and uses no quota up.

        Raises IdempotencyMismatch (other fingerprint), JobNotFound (that job was deleted since), QueueFull,
        QuotaExceeded (the tenant's `max_queued_jobs`, `audio_hours_per_day`).
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

    async def counts(self) -> Mapping[JobState, int]: ...

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

        With `failure` it counts as one, and the job waits until `not_before`.
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
        """Forget the checkpoint and the segments of earlier attempts."""
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

        A segment under an index that is stored already replaces it. An error may be that of the report before.
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
        """RUNNING → SUCCEEDED with the last segments; the transcript is whole, final and durable on return.

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

    def segments(self, job_id: str, *, from_index: int = 0) -> AsyncIterator[Segment]:
        """The stored segments in order, streamed."""
        ...

    async def ping(self) -> None:
        """Raises StoreUnavailable."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Media on its way in. `offset_bytes` is what is stored; `size_bytes` 0 = not declared yet."""

    upload_id: str
    tenant: str
    file_name: str
    size_bytes: int
    offset_bytes: int
    complete: bool
    sha256: str  # of a complete upload
    create_time: datetime
    expire_time: datetime


class UploadStore(Protocol):
    """The records of uploads."""

    async def create_upload(self, upload: Upload) -> Upload:
        """Store it; when the id exists for the tenant, return the stored one."""
        ...

    async def get_upload(self, tenant: str, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def save_upload(self, upload: Upload) -> None: ...

    async def expired_uploads(self, now: datetime) -> Sequence[Upload]: ...

    async def delete_upload(self, tenant: str, upload_id: str) -> None: ...


class BlobStore(Protocol):
    """Bytes by key. Keys are built by us (`media/<id>`), never from a caller's text."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store the stream under `key`, durable on return; gives the bytes written. Raises StoreUnavailable."""
        ...

    def local_path(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A seekable local file with the blob's bytes, for as long as the context is open."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def copy(self, source: str, target: str) -> None:
        """The same bytes under another key, durable on return; a link rather than a copy where the store can."""
        ...

    async def delete(self, key: str) -> None:
        """Delete; a key that is not there is no error."""
        ...


class MediaSpool(Protocol):
    """The bytes of uploads: appended to, then finished into the blob store."""

    async def append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> int:
        """Append at `upload.offset_bytes`; gives the new offset, synced to disk. Bytes that arrived before `chunks`
        failed stay. Raises UploadOffsetMismatch while another stream appends, StoreUnavailable.
        """
        ...

    async def finish(self, upload: Upload) -> Media:
        """Move the complete file into the blob store under `key(upload)`; gives its size and SHA-256."""
        ...

    def key(self, upload: Upload) -> str: ...

    async def discard(self, upload: Upload) -> None:
        """Delete the bytes of an upload, complete or not."""
        ...


# --- access and fetching ----------------------------------------------------------------------------------------


class Authenticator(Protocol):
    """Tells who a caller is."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Raises Unauthenticated; Unavailable where the keys to verify a token cannot be fetched."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """Media on its way from its address. `size_bytes` 0: not announced. `file_name` is taken from the address."""

    chunks: AsyncIterator[bytes]
    size_bytes: int = 0
    file_name: str = ""


class MediaFetcher(Protocol):
    """Fetches media from where a job says it is."""

    def check(self, remote: RemoteMedia) -> None:
        """What can be refused without touching the network. Raises FetchRefused, InvalidField, LimitExceeded; fields
        are `media.uri` and `media.headers`.
        """
        ...

    def open(self, remote: RemoteMedia, *, max_bytes: int) -> AbstractAsyncContextManager[FetchedMedia]:
        """Stream the media; broken transfers are resumed where the origin can.

        Entering and reading raise FetchRefused, MediaNotFound, LimitExceeded (more than `max_bytes`, setting
        `max_media_bytes`), FetchFailed (passing).
        """
        ...

    async def close(self) -> None: ...
