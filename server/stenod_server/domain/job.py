"""A job: its configuration, its record, and the one table of transitions (docs/state_machine.md is drawn from it)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from stenod_server.domain import transcript
from stenod_server.domain.audio import to_seconds
from stenod_server.domain.decoding import Decoding
from stenod_server.domain.diarization import Diarization
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.notification import Notice, Notification
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import TranscriptInfo
from stenod_server.errors import ForbiddenTransition


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "QUEUED"  # accepted and stored; waits for engines
    RUNNING = "RUNNING"  # a node holds its engines
    SUCCEEDED = "SUCCEEDED"  # its transcript can be fetched
    FAILED = "FAILED"  # gave up; `failure` says why
    CANCELLED = "CANCELLED"  # by its owner
    EXPIRED = "EXPIRED"  # retention ended; media and transcript are gone

    @property
    def is_terminal(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


class JobEvent(StrEnum):
    """What moves a job from one state to the next; the same verbs stand in SQL, metrics and logs."""

    CLAIM = "claim"  # the dispatcher gives it its engines
    RELEASE = "release"  # handed back: drain, or a transient failure with attempts left
    RESCUE = "rescue"  # its node is gone
    COMPLETE = "complete"
    REUSE = "reuse"  # the same recording was transcribed in the same way before
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"  # the janitor, when retention ends


TRANSITIONS: Final[Mapping[tuple[JobState, JobEvent], JobState]] = {
    (JobState.QUEUED, JobEvent.CLAIM): JobState.RUNNING,
    (JobState.QUEUED, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.QUEUED, JobEvent.FAIL): JobState.FAILED,
    (JobState.QUEUED, JobEvent.REUSE): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.RELEASE): JobState.QUEUED,
    (JobState.RUNNING, JobEvent.RESCUE): JobState.QUEUED,
    (JobState.RUNNING, JobEvent.COMPLETE): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.REUSE): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.FAIL): JobState.FAILED,
    (JobState.RUNNING, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.SUCCEEDED, JobEvent.EXPIRE): JobState.EXPIRED,
    (JobState.FAILED, JobEvent.EXPIRE): JobState.EXPIRED,
    (JobState.CANCELLED, JobEvent.EXPIRE): JobState.EXPIRED,
}


def next_state(state: JobState, event: JobEvent) -> JobState:
    """Raises ForbiddenTransition where the table has no row."""
    try:
        return TRANSITIONS[state, event]
    except KeyError as error:
        message = f"a job that is {state} cannot {event}"
        raise ForbiddenTransition(message, state=state, event=event) from error


@dataclass(frozen=True, slots=True)
class Origin:
    """How a job came: through which dialect (empty: the API itself), under which id of its caller's, and with which
    configuration as its caller wrote it. The words are given back, never read for a decision. `traceparent`: the span
    in which it was submitted, where spans are made.
    """

    dialect: str = ""
    request_id: str = ""
    config_json: str = ""
    traceparent: str = ""


class LowConfidenceAction(StrEnum):
    """What is done with a job of `auto` of which it is not certain which language is spoken."""

    ALLOW = "allow"
    REJECT = "reject"
    USE_DEFAULT_LANGUAGE = "use_default_language"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """How one recording is to be transcribed. Validated at the edge; stored as canonical JSON with the job.

    `language` is BCP-47 or `auto`, which is one of `expected_languages`, where there are any: a hint where
    `expected_hint` is the name that its caller has for them. `default_language` is of the action that uses it, and of
    no other. An empty `operating_point` is nobody's wish. `parallel_engines` are
    reserved; `max_parallel_engines` caps reserved + elastic (0 = no cap). `start_s`/`end_s` trim the media (`end_s` 0 =
    to its end). A larger `priority` runs earlier. `ttl` 0 means the node's retention; `deadline` counts from the job's
    acceptance, 0 = none. `subtitles` shapes its srt and vtt wherever nobody asks for another shape. `keep_media` keeps
    the media as long as the transcript. `warnings` are of the edge, to stand beside those of the recognition.
    """

    language: str = "auto"
    model: str = ""
    operating_point: str = ""
    expected_languages: tuple[str, ...] = ()
    expected_hint: str = ""
    low_confidence_action: LowConfidenceAction = LowConfidenceAction.ALLOW
    default_language: str = ""
    parallel_engines: int = 1
    max_parallel_engines: int = 0
    priority: int = 0
    start_s: float = 0.0
    end_s: float = 0.0
    formatting: Formatting = field(default=Formatting())
    diarization: Diarization = field(default=Diarization())
    decoding: Decoding = field(default=Decoding())
    subtitles: SubtitleShape = field(default=SubtitleShape())
    user_id: str = ""
    title: str = ""
    reference: str = ""
    tags: tuple[str, ...] = ()
    details_json: str = ""
    ttl: timedelta = timedelta(0)
    deadline: timedelta = timedelta(0)
    keep_media: bool = False
    warnings: tuple[transcript.Warning, ...] = ()
    origin: Origin = Origin()
    notifications: tuple[Notification, ...] = ()

    @property
    def asked_of_recogniser(self) -> Decoding:
        """All that it is to do, or leave."""
        return replace(self.decoding, mark_bias=self.formatting.mark_bias)

    def naming(self, language: str) -> "JobConfig":
        """The same, as if it had named its language."""
        return replace(
            self,
            language=language,
            expected_languages=(),
            expected_hint="",
            low_confidence_action=LowConfidenceAction.ALLOW,
            default_language="",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteMedia:
    """Where media is to be fetched from. `headers` may be secret: never logged, never shown, forgotten once fetched."""

    uri: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The recording. `key` is its place in the blob store; empty while it is still to be fetched from `remote`."""

    key: str
    size_bytes: int = 0
    sha256: str = ""
    file_name: str = ""
    remote: RemoteMedia | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, as data: `reason` is a leaf's reason of the error tree."""

    reason: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is. `total_samples` is an estimate until decoding ends, 0 while unknown."""

    done_samples: int = 0
    total_samples: int = 0
    segments: int = 0

    @property
    def ratio(self) -> float:
        return min(1.0, self.done_samples / self.total_samples) if self.total_samples else 0.0

    @property
    def done_s(self) -> float:
        return to_seconds(self.done_samples)


@dataclass(frozen=True, slots=True)
class Lease:
    """A node's hold on a RUNNING job. `token` fences: every claim gives a larger one, and a write that carries an older
    one comes from a node that has lost the job without knowing.
    """

    job_id: str
    node: str
    token: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a job goes on after its node died: behind its first `windows` windows and `segments` whole segments.

    `memory` is what the recognition must remember to go on, as JSON; only `recognition/` reads it.
    """

    windows: int
    segments: int
    memory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recording + one config → one transcript. Times are aware UTC. Changed with `dataclasses.replace` alone.

    `attempt` counts how often it was started, whyever it was again; `failures` those that ended in a passing failure,
    and `rescues` the nodes lost one after the other without progress: these two are limited.
    """

    job_id: str
    tenant: str
    config: JobConfig
    media: Media
    state: JobState = JobState.QUEUED
    create_time: datetime
    update_time: datetime
    start_time: datetime | None = None  # of the last attempt
    end_time: datetime | None = None
    expire_time: datetime | None = None
    attempt: int = 0
    failures: int = 0
    rescues: int = 0
    request_id: str = ""
    fingerprint: str = ""
    node: str = ""  # who runs it, or ran it last
    lease_token: int = 0
    lease_expire_time: datetime | None = None
    not_before: datetime | None = None  # a QUEUED job that failed for a passing reason waits so long
    cancel_requested: bool = False
    interactive: bool = False  # somebody waits at the line, or did: ahead of bulk work at the recogniser
    progress: Progress = field(default=Progress())
    checkpoint: Checkpoint | None = None
    failure: Failure | None = None  # of a FAILED job; of one that waits to be tried again, what went wrong last
    info: TranscriptInfo | None = None  # of a SUCCEEDED job
    ttl: timedelta = timedelta(days=7)  # how long it is kept once it has ended
    deadline_time: datetime | None = None
    notices: tuple[Notice, ...] = ()  # what became of its notifications, in their order

    @property
    def lease(self) -> Lease:
        """The hold of the node that runs it."""
        return Lease(self.job_id, self.node, self.lease_token)
