"""JobConfig of the API ↔ JobConfig of the domain. Refuses what is malformed by field name."""

from datetime import timedelta
from typing import Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

from stenod.v1 import job_pb2
from stenod_server.domain import job_rules
from stenod_server.domain.job import JobConfig, LowConfidenceAction
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.errors import InvalidField
from stenod_server.rpc import decoding, diarization, formatting, notifications
from stenod_server.rpc.rendering import subtitle_options, subtitle_shape

MAX_PRIORITY: Final = 100
MIN_TTL_S: Final = 60
MAX_TTL_S: Final = 365 * 86_400
OPERATING_POINTS: Final = {
    job_pb2.OPERATING_POINT_UNSPECIFIED: "",
    job_pb2.OPERATING_POINT_STANDARD: "standard",
    job_pb2.OPERATING_POINT_ENHANCED: "enhanced",
}
_NUMBERS: Final = {word: number for number, word in OPERATING_POINTS.items()}
LOW_CONFIDENCE_ACTIONS: Final = {
    job_pb2.LOW_CONFIDENCE_ACTION_UNSPECIFIED: LowConfidenceAction.ALLOW,
    job_pb2.LOW_CONFIDENCE_ACTION_ALLOW: LowConfidenceAction.ALLOW,
    job_pb2.LOW_CONFIDENCE_ACTION_REJECT: LowConfidenceAction.REJECT,
    job_pb2.LOW_CONFIDENCE_ACTION_USE_DEFAULT_LANGUAGE: LowConfidenceAction.USE_DEFAULT_LANGUAGE,
}
_ACTION_NUMBERS: Final = {action: number for number, action in LOW_CONFIDENCE_ACTIONS.items()}


def from_proto(message: job_pb2.JobConfig) -> JobConfig:
    """Check and convert. Raises InvalidField, LimitExceeded; `field` starts with `config.`."""
    start_s, end_s = _trim(message)
    parallel_engines, max_parallel_engines, priority = _scheduling(message.scheduling)
    action, default_language = _low_confidence(message)
    tracking = message.tracking
    return JobConfig(
        language=job_rules.language("config.language", message.language),
        expected_languages=job_rules.expected_languages(
            "config.expected_languages", message.language, message.expected_languages
        ),
        low_confidence_action=action,
        default_language=default_language,
        model=message.model,
        operating_point=_operating_point(message),
        parallel_engines=parallel_engines,
        max_parallel_engines=max_parallel_engines,
        priority=priority,
        start_s=start_s,
        end_s=end_s,
        formatting=formatting.from_proto(message.formatting),
        diarization=diarization.from_proto(message.diarization),
        decoding=decoding.from_proto(message),
        subtitles=subtitle_shape(message.rendering.subtitles, SubtitleShape(), within="config.rendering."),
        user_id=job_rules.user_id("config.user_id", message.user_id),
        title=job_rules.label("config.tracking.title", tracking.title),
        reference=job_rules.label("config.tracking.reference", tracking.reference),
        tags=job_rules.tags("config.tracking.tags", tracking.tags),
        details_json=_details_json(tracking),
        ttl=_ttl(message),
        deadline=_deadline(message.scheduling),
        notifications=notifications.from_proto(message.notifications),
    )


def to_proto(config: JobConfig) -> job_pb2.JobConfig:
    message = job_pb2.JobConfig(
        language=config.language,
        expected_languages=config.expected_languages,
        low_confidence_action=_ACTION_NUMBERS[config.low_confidence_action],
        default_language=config.default_language,
        model=config.model,
        operating_point=_NUMBERS[config.operating_point],
        user_id=config.user_id,
        formatting=formatting.to_proto(config.formatting),
        diarization=diarization.to_proto(config.diarization),
        scheduling=job_pb2.SchedulingConfig(parallel_engines=config.parallel_engines, priority=config.priority),
        tracking=job_pb2.Tracking(title=config.title, reference=config.reference, tags=config.tags),
        notifications=map(notifications.to_proto, config.notifications),
        rendering=job_pb2.RenderingConfig(subtitles=subtitle_options(config.subtitles)),
    )
    decoding.to_proto(config.decoding, message)
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


def _operating_point(message: job_pb2.JobConfig) -> str:
    if message.operating_point not in OPERATING_POINTS:
        raise InvalidField("config.operating_point", f"{message.operating_point} is none that this server knows")
    return OPERATING_POINTS[message.operating_point]


def _low_confidence(message: job_pb2.JobConfig) -> tuple[LowConfidenceAction, str]:
    field, number = "config.low_confidence_action", message.low_confidence_action
    if number not in LOW_CONFIDENCE_ACTIONS:
        raise InvalidField(field, f"{number} is none that this server knows")
    action = LOW_CONFIDENCE_ACTIONS[number]
    return job_rules.low_confidence(
        field, "config.default_language", message.language, action, message.default_language
    )


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


def _trim(message: job_pb2.JobConfig) -> tuple[float, float]:
    start_s = _seconds("config.start_offset", message.start_offset)
    end_s = _seconds("config.end_offset", message.end_offset) if message.HasField("end_offset") else None
    return job_rules.trim("config.start_offset", "config.end_offset", start_s, end_s)


def _seconds(field: str, duration: Duration) -> float:
    seconds = duration.ToNanoseconds() / 1e9
    if seconds < 0:
        raise InvalidField(field, f"must be at least 0, got {seconds:g} s")
    return seconds


def _scheduling(message: job_pb2.SchedulingConfig) -> tuple[int, int, int]:
    prefix = "config.scheduling"
    asked = message.parallel_engines if message.HasField("parallel_engines") else 1
    engines = job_rules.engines(f"{prefix}.parallel_engines", asked)
    most = message.max_parallel_engines if message.HasField("max_parallel_engines") else 0
    if message.HasField("max_parallel_engines") and most < engines:
        raise InvalidField(
            f"{prefix}.max_parallel_engines", f"must be at least parallel_engines ({engines}), got {most}"
        )
    if abs(message.priority) > MAX_PRIORITY:
        raise InvalidField(f"{prefix}.priority", f"must be within ±{MAX_PRIORITY}, got {message.priority}")
    return engines, most, message.priority


def _details_json(tracking: job_pb2.Tracking) -> str:
    if not tracking.HasField("details"):
        return ""
    return job_rules.details(
        "config.tracking.details", json_format.MessageToJson(tracking.details, indent=None, sort_keys=True)
    )
