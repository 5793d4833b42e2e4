"""Every error of stenod, as one tree; the three roots say whose fault it is.

StenodError
  InvalidRequest        the caller's; never retried
    LimitExceeded  InvalidField  OptionNotServed  UnsupportedFeature  UnsupportedMedia  NoAudio  Unauthenticated
    PermissionDenied  FetchRefused  MediaNotFound  JobNotFound  UploadNotFound  ModelNotFound  JobExpired  MediaGone
    JobNotFinished  JobFinished  JobRunning  UploadOffsetMismatch  UploadIncomplete  IdempotencyMismatch
    EnginesUnsatisfiable  JobDeadlineExceeded  LanguageUncertain  PoisonJob
  Unavailable           ours or Triton's, passing; retried
    EnginesExhausted  QueueFull  QuotaExceeded  TooManyCalls  EngineUnavailable  WindowTimeout  Draining
    DecoderDied  FetchFailed  StoreUnavailable  StorageFull  UploadStalled
  Broken                an invariant does not hold; alert
    Unforeseen  ForbiddenTransition  ContractViolation  ModelBuildFailed  TritonFailed

A leaf builds its own message from its fields, and `metadata` carries the moving parts (AIP-193). What a leaf means on
the wire is said once, in `rpc/status.py`.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar


class StenodError(Exception):
    """The root. `reason` is UPPER_SNAKE and stable: clients switch on it."""

    reason: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}


class InvalidRequest(StenodError):
    """The caller can mend it; the same request never succeeds."""

    reason = "INVALID_REQUEST"


class InvalidField(InvalidRequest):
    """A field of the request is missing, malformed or out of its range."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)
        self.field = field
        self.problem = problem


class LimitExceeded(InvalidRequest):
    """A limit of the settings is exceeded; names the setting, so that an operator can raise it."""

    reason = "LIMIT_EXCEEDED"

    def __init__(self, field: str, *, limit: str, allowed: float, actual: float | None = None) -> None:
        got = "" if actual is None else f", got {actual:.15g}"
        message = f"{field}: more than {allowed:.15g} allowed by {limit}{got}"
        super().__init__(message, field=field, limit=limit, allowed=f"{allowed:.15g}")
        self.field = field
        self.limit = limit


class UnsupportedFeature(InvalidRequest):
    """A field whose feature is not built; refused rather than ignored."""

    reason = "FEATURE_NOT_BUILT"

    def __init__(self, field: str, detail: str = "") -> None:
        super().__init__(f"{field}: this feature is not built yet{': ' if detail else ''}{detail}", field=field)
        self.field = field


class OptionNotServed(InvalidField):
    """A job asks for what the recogniser that would take it cannot do. `able`: the loaded ones that can."""

    reason = "OPTION_NOT_SERVED"

    def __init__(self, field: str, problem: str, able: Iterable[str]) -> None:
        super().__init__(field, f"{problem}; models that can: {', '.join(able) or 'none'}")


class UnsupportedMedia(InvalidRequest):
    """The media cannot be decoded."""

    reason = "UNSUPPORTED_MEDIA"


class NoAudio(InvalidRequest):
    """The media has no audio stream, or nothing was left of it after trimming."""

    reason = "NO_AUDIO"


class Unauthenticated(InvalidRequest):
    """Nobody knows the caller: no credentials, wrong ones, or expired ones. Never says which."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(InvalidRequest):
    """The caller is known and may not do this."""

    reason = "PERMISSION_DENIED"

    def __init__(self, method: str, scope: str) -> None:
        super().__init__(f"{method} needs the scope '{scope}'", method=method, scope=scope)


class FetchRefused(InvalidRequest):
    """An address that this server must not fetch; `setting` is what an operator would change to allow it."""

    reason = "FETCH_REFUSED"

    def __init__(self, field: str, problem: str, *, setting: str) -> None:
        message = f"{field}: {problem} (setting {setting}, --{setting.replace('_', '-')})"
        super().__init__(message, field=field, setting=setting)
        self.field = field


class MediaNotFound(InvalidRequest):
    """The address was reached and does not give the media: not there, or not for these credentials."""

    reason = "MEDIA_NOT_FOUND"


class NotFound(InvalidRequest):
    """The thing does not exist, or belongs to another tenant: the two cannot be told apart."""

    reason = "NOT_FOUND"
    kind: ClassVar[str] = "resource"

    def __init__(self, name: str, hint: str = "", **metadata: object) -> None:
        super().__init__(f"{self.kind} {name!r} does not exist{hint}", kind=self.kind, name=name, **metadata)
        self.name = name


class JobNotFound(NotFound):
    """No such job for this tenant."""

    reason = "JOB_NOT_FOUND"
    kind = "job"


class UploadNotFound(NotFound):
    """No such upload for this tenant, or it expired."""

    reason = "UPLOAD_NOT_FOUND"
    kind = "upload"


class ModelNotFound(NotFound):
    """No recogniser of that name is loaded, or none serves the language or the operating point.

    `there_is` says what could be asked for: `models`, `languages`, `operating_points`, each a list in words.
    """

    reason = "MODEL_NOT_FOUND"
    kind = "model"

    def __init__(self, name: str, there_is: Mapping[str, str] | None = None) -> None:
        known = there_is or {}
        listed = "; ".join(f"{kind.replace('_', ' ')}: {values}" for kind, values in known.items())
        super().__init__(name, f"; there are {listed}" if listed else "", **known)


class JobExpired(NotFound):
    """The transcript was deleted when its retention ended."""

    reason = "JOB_EXPIRED"
    kind = "transcript of job"


class MediaGone(NotFound):
    """The media of the job was deleted: it ended, or has not arrived yet."""

    reason = "MEDIA_GONE"
    kind = "media of job"


class WrongState(InvalidRequest):
    """The job or upload is not in a state that allows the call."""

    reason = "WRONG_STATE"


class JobNotFinished(WrongState):
    """The result is asked for before the job ended."""

    reason = "JOB_NOT_FINISHED"


class JobFinished(WrongState):
    """The job ended in another way than the call needs (a cancelled or failed job has no transcript)."""

    reason = "JOB_FINISHED"


class JobRunning(WrongState):
    """A running job is deleted without `force`."""

    reason = "JOB_RUNNING"


class UploadOffsetMismatch(WrongState):
    """A resumed upload does not continue where the stored bytes end."""

    reason = "UPLOAD_OFFSET_MISMATCH"


class UploadIncomplete(WrongState):
    """A job names an upload whose bytes have not all arrived."""

    reason = "UPLOAD_INCOMPLETE"


class IdempotencyMismatch(InvalidRequest):
    """The `request_id` was used before with another fingerprint."""

    reason = "IDEMPOTENCY_MISMATCH"


def _engines_missing(requested: int, in_use: int, maximum: int) -> str:
    """The words of the Speechmatics batch worker, which clients may know."""
    return f"Server busy: {requested} engines not available ({in_use} engines in use, {maximum} parallel allowed)"


class EnginesUnsatisfiable(InvalidRequest):
    """More engines are asked for than the node will ever have."""

    reason = "ENGINES_UNSATISFIABLE"

    def __init__(self, *, requested: int, in_use: int, maximum: int) -> None:
        super().__init__(_engines_missing(requested, in_use, maximum), requested=requested, in_use=in_use, max=maximum)


class JobDeadlineExceeded(InvalidRequest):
    """A job did not end by the deadline it was given."""

    reason = "JOB_DEADLINE_EXCEEDED"


class LanguageUncertain(InvalidRequest):
    """It is not certain which language is spoken, and the job asks to be rejected then."""

    reason = "LANGUAGE_UNCERTAIN"


class PoisonJob(InvalidRequest):
    """What runs the job dies of it, again and again; it is given up so that others can go on."""

    reason = "POISON_JOB"

    def __init__(self, victim: str, times: int) -> None:
        super().__init__(f"{victim} died {times} times while working on this job", victim=victim, times=times)


class Unavailable(StenodError):
    """Passing; the same request may succeed later. `retry_after_s` is a hint in seconds."""

    reason = "UNAVAILABLE"
    retryable = True
    retry_after_s: float = 1.0


class EnginesExhausted(Unavailable):
    """Reject mode or fail-fast: the engines asked for are not free now."""

    reason = "ENGINES_EXHAUSTED"

    def __init__(self, *, requested: int, in_use: int, maximum: int) -> None:
        super().__init__(_engines_missing(requested, in_use, maximum), requested=requested, in_use=in_use, max=maximum)


class QueueFull(Unavailable):
    """The queue holds `max_queued_jobs` already."""

    reason = "QUEUE_FULL"

    def __init__(self, allowed: int) -> None:
        super().__init__(f"the queue is full: {allowed} jobs wait already (max_queued_jobs)", max_queued_jobs=allowed)


class QuotaExceeded(Unavailable):
    """The caller has used up what it is given; names the quota, so that an operator can raise it."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, quota: str, *, allowed: float, retry_after_s: float) -> None:
        super().__init__(f"the quota {quota} of {allowed:.15g} is used up", quota=quota, allowed=f"{allowed:.15g}")
        self.quota = quota
        self.retry_after_s = retry_after_s


class TooManyCalls(Unavailable):
    """The node answers as many calls already as a setting allows: `max_calls`, or fewer of some kind."""

    reason = "TOO_MANY_CALLS"

    def __init__(self, allowed: int, *, setting: str = "max_calls") -> None:
        super().__init__(f"{allowed} such calls are being answered already ({setting})", **{setting: allowed})


class EngineUnavailable(Unavailable):
    """Triton does not answer, is starting, or refused for load.

    `died`: it died or hung over this very window, which may be why. `absent`: none took it.
    """

    reason = "ENGINE_UNAVAILABLE"

    def __init__(self, message: str, *, died: bool = False, absent: bool = False, **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.died = died
        self.absent = absent


class WindowTimeout(Unavailable):
    """A window was not recognised in time."""

    reason = "WINDOW_TIMEOUT"


class Draining(Unavailable):
    """The node is going away; another one may take the call."""

    reason = "DRAINING"


class StoreUnavailable(Unavailable):
    """The database or the blob store does not answer. `missing`: it does, and has not what it should keep."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class StorageFull(Unavailable):
    """The disk has less room left than the low-water mark, or none; no media is stored until there is more."""

    reason = "STORAGE_FULL"
    retry_after_s = 60.0


class UploadStalled(Unavailable):
    """A stream of an upload said too little for too long. Passing: another stream goes on where this one ended."""

    reason = "UPLOAD_STALLED"

    def __init__(self, least_bytes: int, waited_s: float) -> None:
        super().__init__(
            f"the stream brought less than {least_bytes} bytes in {waited_s:g} s; of an UploadMedia, what arrived "
            "is kept, and GetUpload tells the offset to go on at"
        )


class FetchFailed(Unavailable):
    """The address did not answer, answered with an error of its own, or broke off."""

    reason = "FETCH_FAILED"


class DecoderDied(Unavailable):
    """A decode worker ended without an answer."""

    reason = "DECODER_DIED"


class Broken(StenodError):
    """Something that cannot happen did."""

    reason = "INTERNAL"


class Unforeseen(Broken):
    """A fault that nobody foresaw: the caller gets an id to ask for, and nothing of the inside."""

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error {error_id}; the server's log has more under this id", error_id=error_id)


class ForbiddenTransition(Broken):
    """The transition table has no such row."""

    reason = "FORBIDDEN_TRANSITION"


class ContractViolation(Broken):
    """A recogniser's answer does not fit the tensor contract."""

    reason = "CONTRACT_VIOLATION"


class TritonFailed(Broken):
    """The embedded Triton cannot be started, or fails its canary."""

    reason = "TRITON_FAILED"
