"""How to transcribe, as keywords: the common ones, with seconds as floats. Everything else is in `JobConfig`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, Required, TypedDict, cast

from google.protobuf.duration_pb2 import Duration

from stenod._choice import chosen
from stenod._speaker_options import apply_speakers
from stenod._subtitle_options import SubtitleOptions, subtitle_options
from stenod._text_options import apply_text
from stenod.v1 import job_pb2, transcript_pb2

Format = Literal["json", "json-v2", "txt", "srt", "vtt"]


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
    channel_labels: Sequence[str]
    min_speakers: int
    max_speakers: int
    speaker_sensitivity: float
    prefer_current_speaker: bool
    return_speaker_identifiers: bool
    known_speakers: Mapping[str, Sequence[str]]  # identifiers by label
    punctuation: bool
    permitted_marks: Sequence[str]
    punctuation_sensitivity: float
    numerals: bool
    entities: bool
    casing: bool
    remove_disfluencies: bool
    profanity_filter: Literal["keep", "mask"]
    output_locale: str
    volume_threshold: float
    replacements: Mapping[str, str]  # what to write by what it replaces
    subtitles: SubtitleOptions
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
    return chosen("format", name, _FORMATS)


def _apply(config: job_pb2.JobConfig, name: str, value: object) -> None:
    parts = (_apply_job, _apply_decoding, apply_speakers, apply_text)
    if not any(part(config, name, value) for part in parts):
        message = f"{name}={value!r} is not an option of a job"
        raise TypeError(message)


def _apply_job(config: job_pb2.JobConfig, name: str, value: object) -> bool:
    match name, value:
        case (("language" | "model" | "user_id"), str()):
            setattr(config, name, value)
        case (("parallel_engines" | "max_parallel_engines" | "fail_fast" | "priority"), int()):
            setattr(config.scheduling, name, value)
        case (("title" | "reference"), str()):
            setattr(config.tracking, name, value)
        case "tags", [*tags]:
            config.tracking.tags[:] = map(str, tags)
        case "operating_point", str():
            config.operating_point = chosen(name, value, _OPERATING_POINTS)
        case (("start_s" | "end_s"), (int() | float())):
            getattr(config, name.replace("_s", "_offset")).CopyFrom(_duration(value))
        case "ttl_s", (int() | float()):
            config.ttl.CopyFrom(_duration(value))
        case "subtitles", Mapping():
            config.rendering.subtitles.CopyFrom(subtitle_options(cast("SubtitleOptions", value)))
        case _:
            return False
    return True


def _apply_decoding(config: job_pb2.JobConfig, name: str, value: object) -> bool:
    match name, value:
        case "task", str():
            config.task = chosen(name, value, _TASKS)
        case ("beam_size", int()) | ("prompt", str()):
            setattr(config.decoding, name, value)
        case "vocabulary", [*entries]:
            config.ClearField("additional_vocabulary")
            config.additional_vocabulary.extend(map(_entry, entries))
        case _:
            return False
    return True


def _entry(given: object) -> job_pb2.VocabularyEntry:
    """Raises TypeError, ValueError for what is no entry."""
    if isinstance(given, str):
        return job_pb2.VocabularyEntry(content=given)
    if isinstance(given, Mapping):
        return job_pb2.VocabularyEntry(**given)
    message = f"vocabulary: {given!r} is neither a phrase nor an entry"
    raise TypeError(message)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
