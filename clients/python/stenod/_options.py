"""How to transcribe, as keywords: the common ones, with seconds as floats. Everything else is in `JobConfig`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, Required, TypedDict, TypeVar

from google.protobuf.duration_pb2 import Duration

from stenod.errors import InvalidRequest
from stenod.v1 import job_pb2, transcript_pb2

Format = Literal["json", "json-v2", "txt", "srt", "vtt"]
_Choice = TypeVar("_Choice")


class VocabularyEntry(TypedDict, total=False):
    """A phrase with more to say of it than how it is written."""

    content: Required[str]
    sounds_like: Sequence[str]
    boost: float


class JobOptions(TypedDict, total=False):
    """Keywords of `submit` and `transcribe`; what each means is said in `stenod/v1/job.proto`."""

    language: str  # BCP-47, or "auto"
    model: str  # a name of `models()`
    operating_point: Literal["standard", "enhanced"]
    task: Literal["transcribe", "translate"]
    vocabulary: Sequence[str | VocabularyEntry]  # words and phrases to listen for
    beam_size: int
    prompt: str
    diarization: Literal["none", "channel", "speaker"]
    punctuation: bool
    parallel_engines: int
    max_parallel_engines: int
    fail_fast: bool
    priority: int
    start_s: float  # where in the file to begin, and where to stop
    end_s: float
    user_id: str
    title: str
    reference: str
    tags: Sequence[str]
    ttl_s: float  # how long the transcript is kept


_DIARIZATION: Final = {
    "none": job_pb2.DIARIZATION_MODE_NONE,
    "channel": job_pb2.DIARIZATION_MODE_CHANNEL,
    "speaker": job_pb2.DIARIZATION_MODE_SPEAKER,
}
_OPERATING_POINTS: Final = {
    "standard": job_pb2.OPERATING_POINT_STANDARD,
    "enhanced": job_pb2.OPERATING_POINT_ENHANCED,
}
_TASKS: Final = {"transcribe": job_pb2.TASK_TRANSCRIBE, "translate": job_pb2.TASK_TRANSLATE}
_FORMATS: Final = {
    "json": transcript_pb2.TRANSCRIPT_FORMAT_JSON,
    "json-v2": transcript_pb2.TRANSCRIPT_FORMAT_JSON_V2,
    "txt": transcript_pb2.TRANSCRIPT_FORMAT_TXT,
    "srt": transcript_pb2.TRANSCRIPT_FORMAT_SRT,
    "vtt": transcript_pb2.TRANSCRIPT_FORMAT_VTT,
}


def job_config(config: job_pb2.JobConfig | None, options: JobOptions) -> job_pb2.JobConfig:
    """`options` laid over a copy of `config`. Raises TypeError for an unknown keyword, InvalidRequest for a value."""
    result = job_pb2.JobConfig()
    if config is not None:
        result.CopyFrom(config)
    for name, value in options.items():
        _apply(result, name, value)
    return result


def transcript_format(name: Format) -> transcript_pb2.TranscriptFormat:
    """Raises InvalidRequest for a name that is none."""
    return _chosen("format", name, _FORMATS)


def _apply(config: job_pb2.JobConfig, name: str, value: object) -> None:
    match name, value:
        case (("language" | "model" | "user_id"), str()):
            setattr(config, name, value)
        case (("parallel_engines" | "max_parallel_engines" | "fail_fast" | "priority"), int()):
            setattr(config.scheduling, name, value)
        case (("title" | "reference"), str()):
            setattr(config.tracking, name, value)
        case "tags", [*tags]:
            config.tracking.tags[:] = map(str, tags)
        case "punctuation", bool():
            config.formatting.punctuation = value
        case "diarization", str():
            config.diarization.mode = _chosen(name, value, _DIARIZATION)
        case "operating_point", str():
            config.operating_point = _chosen(name, value, _OPERATING_POINTS)
        case (("start_s" | "end_s"), (int() | float())):
            getattr(config, name.replace("_s", "_offset")).CopyFrom(_duration(value))
        case "ttl_s", (int() | float()):
            config.ttl.CopyFrom(_duration(value))
        case _:
            _apply_decoding(config, name, value)


def _apply_decoding(config: job_pb2.JobConfig, name: str, value: object) -> None:
    match name, value:
        case "task", str():
            config.task = _chosen(name, value, _TASKS)
        case ("beam_size", int()) | ("prompt", str()):
            setattr(config.decoding, name, value)
        case "vocabulary", [*entries]:
            config.ClearField("additional_vocabulary")
            config.additional_vocabulary.extend(map(_entry, entries))
        case _:
            message = f"{name}={value!r} is not an option of a job"
            raise TypeError(message)


def _entry(given: object) -> job_pb2.VocabularyEntry:
    """Raises TypeError, ValueError for what is no entry."""
    if isinstance(given, str):
        return job_pb2.VocabularyEntry(content=given)
    if isinstance(given, Mapping):
        return job_pb2.VocabularyEntry(**given)
    message = f"vocabulary: {given!r} is neither a phrase nor an entry"
    raise TypeError(message)


def _chosen(name: str, value: str, choices: Mapping[str, _Choice]) -> _Choice:
    try:
        return choices[value]
    except KeyError:
        message = f"{name}: {value!r} is none of {', '.join(choices)}"
        raise InvalidRequest(message, reason="INVALID_FIELD", metadata={"field": name}) from None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
