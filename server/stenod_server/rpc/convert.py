"""Domain → API messages."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from stenod.v1 import capacity_pb2, job_pb2, media_pb2, speaker_pb2, transcript_pb2
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.capacity import Admission, Capacity
from stenod_server.domain.job import Job, JobState, Media, Progress
from stenod_server.domain.transcript import Segment, TranscriptInfo, Word, WordTag
from stenod_server.domain.uri import shown
from stenod_server.ports import ModelProfile, Upload
from stenod_server.rpc import decoding, job_config, notifications
from stenod_server.rpc.status import failure_status
from stenod_server.text.turns import Turn, mean_confidence

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

_NANOSECONDS_PER_SAMPLE: Final = 1_000_000_000 // SAMPLE_RATE_HZ  # 62 500: a sample is a whole number of them
_STATES: Final = {
    JobState.QUEUED: job_pb2.JOB_STATE_QUEUED,
    JobState.RUNNING: job_pb2.JOB_STATE_RUNNING,
    JobState.SUCCEEDED: job_pb2.JOB_STATE_SUCCEEDED,
    JobState.FAILED: job_pb2.JOB_STATE_FAILED,
    JobState.CANCELLED: job_pb2.JOB_STATE_CANCELLED,
    JobState.EXPIRED: job_pb2.JOB_STATE_EXPIRED,
}
_ADMISSIONS: Final = {
    Admission.QUEUE: capacity_pb2.ADMISSION_MODE_QUEUE,
    Admission.REJECT: capacity_pb2.ADMISSION_MODE_REJECT,
}
_OPERATING_POINTS: Final = {
    "standard": job_pb2.OPERATING_POINT_STANDARD,
    "enhanced": job_pb2.OPERATING_POINT_ENHANCED,
}
_TAGS: Final = {
    WordTag.DISFLUENCY: transcript_pb2.WORD_TAG_DISFLUENCY,
    WordTag.PROFANITY: transcript_pb2.WORD_TAG_PROFANITY,
}
_STATES_BACK: Final = {int(number): value for value, number in _STATES.items()}


def duration(samples: int) -> Duration:
    """Exact. `samples` is at least 0."""
    message = Duration()
    _set_duration(message, samples)
    return message


def _set_duration(message: Duration, samples: int) -> None:
    message.seconds, rest = divmod(samples, SAMPLE_RATE_HZ)
    message.nanos = rest * _NANOSECONDS_PER_SAMPLE


def duration_of_s(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def state(value: JobState) -> job_pb2.JobState:
    return _STATES[value]


def state_from(value: int) -> JobState:
    """Raises KeyError for a value that is no state."""
    return _STATES_BACK[value]


# Copied into each message; jobs are told of several times. What does not compare in a config is not in its message.
_config = lru_cache(maxsize=128)(job_config.to_proto)


def job(value: Job) -> job_pb2.Job:
    message = job_pb2.Job(
        job_id=value.job_id,
        state=state(value.state),
        config=_config(value.config),
        media=media_info(value.media),
        request_id=value.request_id,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        start_time=timestamp(value.start_time),
        end_time=timestamp(value.end_time),
        expire_time=timestamp(value.expire_time),
        attempt_count=value.attempt,
        progress=progress(value.progress),
        node=value.node,
        cancelling=value.cancel_requested and not value.state.is_terminal,
        notifications=map(notifications.status, value.notices),
    )
    if value.failure and value.state is JobState.FAILED:
        message.error.CopyFrom(failure_status(value.failure.reason, value.failure.message))
    if value.info:
        message.transcript_info.CopyFrom(info(value.info))
    return message


def job_as_json(value: Job) -> dict[str, Any]:
    """The message, in the JSON that protobuf defines for it."""
    return json_format.MessageToDict(job(value))


def media_info(value: Media) -> media_pb2.MediaInfo:
    return media_pb2.MediaInfo(
        file_name=value.file_name,
        size_bytes=value.size_bytes,
        sha256=value.sha256,
        uri=shown(value.remote.uri) if value.remote else "",
    )


def progress(value: Progress) -> job_pb2.JobProgress:
    message = job_pb2.JobProgress(
        done_duration=duration(value.done_samples), segment_count=value.segments, ratio=value.ratio
    )
    if value.total_samples:
        message.total_duration.CopyFrom(duration(value.total_samples))
    return message


def info(value: TranscriptInfo) -> transcript_pb2.TranscriptInfo:
    return transcript_pb2.TranscriptInfo(
        duration=duration(value.duration_samples),
        language=value.language,
        language_confidence=value.language_confidence,
        model=value.model,
        speech_duration=duration(value.speech_samples),
        warnings=[transcript_pb2.Warning(reason=w.reason, message=w.message) for w in value.warnings],
        window_count=value.windows,
        from_cache=value.from_cache,
        speakers=[speaker_pb2.Speaker(label=s.label, identifiers=s.identifiers) for s in value.speakers],
        channels=value.channels,
    )


def segment(value: Segment, turn: Turn | None = None) -> transcript_pb2.Segment:
    """`turn` is not known while the job runs."""
    message = transcript_pb2.Segment(
        index=value.index,
        text=value.text,
        start_offset=duration(value.start_samples),
        end_offset=duration(value.end_samples),
        language=value.language,
        channel=value.channel,
        speaker=value.speaker,
        final=value.final,
        confidence=mean_confidence(value.words),
        utterance_index=turn.utterance if turn else None,
        paragraph_index=turn.paragraph if turn else None,
    )
    _add_words(message.words, value.words)
    for entity in value.entities:
        added = message.entities.add(kind=entity.kind, first_word=entity.first_word, word_count=entity.word_count)
        _add_words(added.spoken_words, entity.spoken)
    return message


def _add_words(messages: "RepeatedCompositeFieldContainer[transcript_pb2.Word]", words: Iterable[Word]) -> None:
    """In place: of a long recording there are many, and nothing of them is copied."""
    for word in words:
        message = messages.add(
            text=word.text,
            confidence=word.confidence,
            language=word.language,
            channel=word.channel,
            speaker=word.speaker,
            volume=word.volume,
        )
        _set_duration(message.start_offset, word.start_samples)
        _set_duration(message.end_offset, word.end_samples)
        if word.tags:
            message.tags.extend(_TAGS[tag] for tag in word.tags)


def upload(value: Upload) -> media_pb2.Upload:
    return media_pb2.Upload(
        upload_id=value.upload_id,
        offset_bytes=value.offset_bytes,
        size_bytes=value.size_bytes,
        complete=value.complete,
        sha256=value.sha256,
        expire_time=timestamp(value.expire_time),
        file_name=value.file_name,
    )


def capacity(value: Capacity) -> capacity_pb2.Capacity:
    message = capacity_pb2.Capacity(
        node=value.node,
        max_engines=value.max_engines,
        unused_engines=value.unused_engines,
        elastic_engines=value.elastic_engines,
        active_jobs=[
            capacity_pb2.ActiveJob(
                job_id=active.job_id, reserved_engines=active.reserved_engines, elastic_engines=active.elastic_engines
            )
            for active in value.active_jobs
        ],
        queued_job_count=value.queued_jobs,
        real_time_factor=value.real_time_factor,
        admission_mode=_ADMISSIONS[value.admission],
        accepting=value.accepting,
        nodes=[
            capacity_pb2.NodeCapacity(
                node=node.node,
                max_engines=node.max_engines,
                unused_engines=node.unused_engines,
                elastic_engines=node.elastic_engines,
                ready=node.ready,
                draining=node.draining,
            )
            for node in value.nodes
        ],
    )
    if value.oldest_queued_age_s is not None:
        message.oldest_queued_age.CopyFrom(duration_of_s(value.oldest_queued_age_s))
    if value.expected_wait_s is not None:
        message.expected_wait.CopyFrom(duration_of_s(value.expected_wait_s))
    return message


def model(value: ModelProfile, *, is_default: bool) -> capacity_pb2.Model:
    return capacity_pb2.Model(
        name=value.model,
        family=value.family,
        languages=value.languages,
        operating_points=[_OPERATING_POINTS[point] for point in value.operating_points],
        is_default=is_default,
        window_target_duration=duration(value.window_target_samples),
        window_max_duration=duration(value.window_max_samples),
        max_batch_size=value.max_batch_size,
        length_bucket_durations=[duration(samples) for samples in value.length_buckets_samples],
        tasks=[number for task, number in decoding.NUMBERS.items() if task in value.tasks],
        max_beam_size=value.max_beam_size,
        takes_vocabulary=value.takes_hotwords,
        takes_prompt=value.takes_prompt,
        takes_punctuation_sensitivity=value.takes_mark_bias,
        writes_punctuation=value.writes_marks,
        writes_capitals=value.writes_capitals,
    )
