"""JobConfig of the API ↔ JobConfig of the domain. Refuses what is malformed, and what is not built, by field name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from stenod.v1 import job_pb2
from stenod_server.domain.job import JobConfig
from stenod_server.errors import InvalidField, LimitExceeded, UnsupportedFeature

MAX_LABEL_CHARACTERS: Final = 255
MAX_TAGS: Final = 32
MAX_TAG_CHARACTERS: Final = 64
MAX_USER_ID_CHARACTERS: Final = 128
MAX_DETAILS_BYTES: Final = 16 * 1024
MAX_PRIORITY: Final = 100
MIN_TTL_S: Final = 60
MAX_TTL_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A field whose feature is not built, and how to see that the caller asks for it."""

    path: str
    is_asked: Callable[[job_pb2.JobConfig], bool]


def _differs(name: str, *accepted: object) -> Callable[[Message], bool]:
    return lambda message: getattr(message, name) not in accepted


# Every feature of the API that this version refuses. Building one means deleting its row.
UNBUILT: Final[Sequence[Unbuilt]] = (
    Unbuilt("expected_languages", lambda c: bool(c.expected_languages)),
    Unbuilt("operating_point", _differs("operating_point", 0, job_pb2.OPERATING_POINT_STANDARD)),
    Unbuilt("task", _differs("task", 0, job_pb2.TASK_TRANSCRIBE)),
    Unbuilt("formatting.numerals", lambda c: c.formatting.HasField("numerals")),
    Unbuilt("formatting.permitted_marks", lambda c: bool(c.formatting.permitted_marks)),
    Unbuilt("formatting.punctuation_sensitivity", lambda c: c.formatting.HasField("punctuation_sensitivity")),
    Unbuilt("formatting.remove_disfluencies", lambda c: c.formatting.remove_disfluencies),
    Unbuilt("formatting.output_locale", lambda c: bool(c.formatting.output_locale)),
    Unbuilt("formatting.replacements", lambda c: bool(c.formatting.replacements)),
    Unbuilt("diarization.mode", lambda c: c.diarization.mode not in {0, job_pb2.DIARIZATION_MODE_NONE}),
    Unbuilt("diarization.channel_labels", lambda c: bool(c.diarization.channel_labels)),
    Unbuilt("diarization.speaker_sensitivity", lambda c: c.diarization.HasField("speaker_sensitivity")),
    Unbuilt("diarization.min_speakers", lambda c: c.diarization.HasField("min_speakers")),
    Unbuilt("diarization.max_speakers", lambda c: c.diarization.HasField("max_speakers")),
    Unbuilt("diarization.return_speaker_identifiers", lambda c: c.diarization.return_speaker_identifiers),
    Unbuilt("diarization.known_speakers", lambda c: bool(c.diarization.known_speakers)),
    Unbuilt("diarization.prefer_current_speaker", lambda c: c.diarization.prefer_current_speaker),
    Unbuilt("additional_vocabulary", lambda c: bool(c.additional_vocabulary)),
    Unbuilt("notifications", lambda c: bool(c.notifications)),
    Unbuilt("rendering", lambda c: c.HasField("rendering")),
)


def from_proto(message: job_pb2.JobConfig) -> JobConfig:
    """Check and convert. Raises InvalidField, LimitExceeded, UnsupportedFeature; `field` starts with `config.`."""
    for unbuilt in UNBUILT:
        if unbuilt.is_asked(message):
            raise UnsupportedFeature(f"config.{unbuilt.path}")
    start_s, end_s = _trim(message)
    parallel_engines, max_parallel_engines, priority = _scheduling(message.scheduling)
    _check_tracking(message.tracking)
    _check_length("config.user_id", message.user_id, MAX_USER_ID_CHARACTERS)
    return JobConfig(
        language=_language(message.language),
        model=message.model,
        parallel_engines=parallel_engines,
        max_parallel_engines=max_parallel_engines,
        priority=priority,
        start_s=start_s,
        end_s=end_s,
        punctuation=message.formatting.punctuation if message.formatting.HasField("punctuation") else True,
        user_id=message.user_id,
        title=message.tracking.title,
        reference=message.tracking.reference,
        tags=tuple(message.tracking.tags),
        details_json=_details_json(message.tracking),
        ttl=_ttl(message),
        deadline=_deadline(message.scheduling),
    )


def to_proto(config: JobConfig) -> job_pb2.JobConfig:
    message = job_pb2.JobConfig(
        language=config.language,
        model=config.model,
        user_id=config.user_id,
        formatting=job_pb2.FormattingConfig(punctuation=config.punctuation),
        scheduling=job_pb2.SchedulingConfig(parallel_engines=config.parallel_engines, priority=config.priority),
        tracking=job_pb2.Tracking(title=config.title, reference=config.reference, tags=config.tags),
    )
    if config.max_parallel_engines:
        message.scheduling.max_parallel_engines = config.max_parallel_engines
    if config.start_s:
        message.start_offset.FromNanoseconds(round(config.start_s * 1e9))
    if config.end_s:
        message.end_offset.FromNanoseconds(round(config.end_s * 1e9))
    if config.ttl:
        message.ttl.FromTimedelta(config.ttl)
    if config.deadline:
        message.scheduling.deadline.FromTimedelta(config.deadline)
    if config.details_json:
        json_format.Parse(config.details_json, message.tracking.details)
    return message


def _ttl(message: job_pb2.JobConfig) -> timedelta:
    if not message.HasField("ttl"):
        return timedelta(0)
    seconds = _seconds("config.ttl", message.ttl)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise InvalidField("config.ttl", f"must be from {MIN_TTL_S} s to {MAX_TTL_S} s (365 days), got {seconds:g} s")
    return timedelta(seconds=seconds)


def _deadline(message: job_pb2.SchedulingConfig) -> timedelta:
    if not message.HasField("deadline"):
        return timedelta(0)
    seconds = _seconds("config.scheduling.deadline", message.deadline)
    if not 1 <= seconds <= MAX_TTL_S:
        raise InvalidField(
            "config.scheduling.deadline", f"must be from 1 s to {MAX_TTL_S} s (365 days), got {seconds:g} s"
        )
    return timedelta(seconds=seconds)


def _language(code: str) -> str:
    if not code:
        return "auto"
    if not all(part.isalnum() and part.isascii() and len(part) <= 8 for part in code.split("-")) or len(code) > 35:
        raise InvalidField("config.language", f"{code!r} is neither a BCP-47 code like 'en' or 'pt-BR' nor 'auto'")
    return code


def _trim(message: job_pb2.JobConfig) -> tuple[float, float]:
    start_s = _seconds("config.start_offset", message.start_offset)
    if not message.HasField("end_offset"):
        return start_s, 0.0
    end_s = _seconds("config.end_offset", message.end_offset)
    if end_s <= start_s:
        raise InvalidField("config.end_offset", f"must be after start_offset ({start_s:g} s), got {end_s:g} s")
    return start_s, end_s


def _seconds(field: str, duration: Duration) -> float:
    seconds = duration.ToNanoseconds() / 1e9
    if seconds < 0:
        raise InvalidField(field, f"must be at least 0, got {seconds:g} s")
    return seconds


def _scheduling(message: job_pb2.SchedulingConfig) -> tuple[int, int, int]:
    prefix = "config.scheduling"
    engines = message.parallel_engines if message.HasField("parallel_engines") else 1
    if engines < 1:
        raise InvalidField(f"{prefix}.parallel_engines", f"must be at least 1, got {engines}")
    most = message.max_parallel_engines if message.HasField("max_parallel_engines") else 0
    if message.HasField("max_parallel_engines") and most < engines:
        raise InvalidField(
            f"{prefix}.max_parallel_engines", f"must be at least parallel_engines ({engines}), got {most}"
        )
    if abs(message.priority) > MAX_PRIORITY:
        raise InvalidField(f"{prefix}.priority", f"must be within ±{MAX_PRIORITY}, got {message.priority}")
    return engines, most, message.priority


def _check_tracking(tracking: job_pb2.Tracking) -> None:
    _check_length("config.tracking.title", tracking.title, MAX_LABEL_CHARACTERS)
    _check_length("config.tracking.reference", tracking.reference, MAX_LABEL_CHARACTERS)
    if len(tracking.tags) > MAX_TAGS:
        raise LimitExceeded("config.tracking.tags", limit="tags of a job", allowed=MAX_TAGS, actual=len(tracking.tags))
    for tag in tracking.tags:
        _check_length("config.tracking.tags", tag, MAX_TAG_CHARACTERS)


def _details_json(tracking: job_pb2.Tracking) -> str:
    if not tracking.HasField("details"):
        return ""
    text = json_format.MessageToJson(tracking.details, indent=None, sort_keys=True)
    if (size_bytes := len(text.encode())) > MAX_DETAILS_BYTES:
        raise LimitExceeded(
            "config.tracking.details", limit="bytes of details", allowed=MAX_DETAILS_BYTES, actual=size_bytes
        )
    return text


def _check_length(field: str, text: str, allowed: int) -> None:
    if len(text) > allowed:
        raise LimitExceeded(field, limit="characters of this field", allowed=allowed, actual=len(text))
