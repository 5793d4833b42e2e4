"""API messages → the values of `results`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from stenod.errors import from_status
from stenod.results import Capacity, Entity, Job, JobState, JobUpdate, Model, Segment, Transcript, Word
from stenod.v1 import capacity_pb2, job_pb2, transcript_pb2, transcription_service_pb2

# A tag that a newer server has, and this client does not, is left out.
_TAGS: Final[Mapping[int, str]] = {
    transcript_pb2.WORD_TAG_DISFLUENCY: "disfluency",
    transcript_pb2.WORD_TAG_PROFANITY: "profanity",
}


def job(message: job_pb2.Job) -> Job:
    return Job(
        job_id=message.job_id,
        state=_state(message.state),
        file_name=message.media.file_name,
        create_time=_time(message, "create_time"),
        start_time=_time(message, "start_time"),
        end_time=_time(message, "end_time"),
        progress_ratio=message.progress.ratio,
        done_s=_seconds(message.progress.done_duration),
        total_s=_seconds(message.progress.total_duration),
        error=from_status(message.error) if message.HasField("error") else None,
        proto=message,
    )


def update(message: transcription_service_pb2.WatchJobResponse) -> JobUpdate:
    return JobUpdate(job(message.job), tuple(map(segment, message.segments)))


def segment(message: transcript_pb2.Segment) -> Segment:
    words = tuple(map(_word, message.words))
    return Segment(
        index=message.index,
        text=message.text,
        start_s=_seconds(message.start_offset),
        end_s=_seconds(message.end_offset),
        words=words,
        entities=tuple(_entity(entity, words) for entity in message.entities),
        speaker=message.speaker,
        channel=message.channel,
        language=message.language,
        confidence=message.confidence,
        utterance=message.utterance_index if message.HasField("utterance_index") else None,
        paragraph=message.paragraph_index if message.HasField("paragraph_index") else None,
        final=message.final,
        proto=message,
    )


def transcript(job_id: str, info: transcript_pb2.TranscriptInfo, segments: tuple[Segment, ...]) -> Transcript:
    return Transcript(
        job_id=job_id,
        language=info.language,
        language_confidence=info.language_confidence,
        model=info.model,
        duration_s=_seconds(info.duration),
        speech_s=_seconds(info.speech_duration),
        segments=segments,
        speakers=tuple(speaker.label for speaker in info.speakers),
        speaker_identifiers={
            speaker.label: tuple(speaker.identifiers) for speaker in info.speakers if speaker.identifiers
        },
        channels=tuple(info.channels),
        warnings=tuple((warning.reason, warning.message) for warning in info.warnings),
        proto=info,
    )


def capacity(message: capacity_pb2.Capacity) -> Capacity:
    mode = capacity_pb2.AdmissionMode.Name(message.admission_mode)
    return Capacity(
        node=message.node,
        max_engines=message.max_engines,
        unused_engines=message.unused_engines,
        elastic_engines=message.elastic_engines,
        active_job_ids=tuple(active.job_id for active in message.active_jobs),
        queued_job_count=message.queued_job_count,
        oldest_queued_s=_seconds(message.oldest_queued_age) if message.HasField("oldest_queued_age") else None,
        expected_wait_s=_seconds(message.expected_wait) if message.HasField("expected_wait") else None,
        real_time_factor=message.real_time_factor if message.HasField("real_time_factor") else None,
        admission_mode=mode.removeprefix("ADMISSION_MODE_").lower(),
        accepting=message.accepting,
        proto=message,
    )


def model(message: capacity_pb2.Model) -> Model:
    return Model(
        name=message.name,
        family=message.family,
        languages=tuple(message.languages),
        is_default=message.is_default,
        window_target_s=_seconds(message.window_target_duration),
        window_max_s=_seconds(message.window_max_duration),
        max_batch_size=message.max_batch_size,
        proto=message,
    )


def _word(message: transcript_pb2.Word) -> Word:
    return Word(
        text=message.text,
        start_s=_seconds(message.start_offset),
        end_s=_seconds(message.end_offset),
        confidence=message.confidence,
        speaker=message.speaker,
        channel=message.channel,
        language=message.language,
        volume=message.volume if message.HasField("volume") else None,
        tags=tuple(_TAGS[tag] for tag in tags if tag in _TAGS) if (tags := message.tags) else (),
    )


def _entity(message: transcript_pb2.Entity, words: Sequence[Word]) -> Entity:
    """`words` are those of its segment."""
    end = message.first_word + message.word_count
    return Entity(message.kind, tuple(words[message.first_word : end]), tuple(map(_word, message.spoken_words)))


def _state(number: int) -> JobState:
    try:
        return JobState(job_pb2.JobState.Name(number).removeprefix("JOB_STATE_"))
    except ValueError:
        return JobState.UNSPECIFIED


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


def _time(message: Message, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    return stamp.ToDatetime(tzinfo=UTC)
