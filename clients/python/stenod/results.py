"""What the client returns: plain values, times in seconds. `proto` holds the message each was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from stenod.errors import StenodError
from stenod.v1 import capacity_pb2, job_pb2, transcript_pb2


class JobState(StrEnum):
    """Where a job is in its life. UNSPECIFIED stands for a state that a newer server has and this client does not."""

    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def has_ended(self) -> bool:
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and one configuration that become one transcript.

    `done_s` and `total_s` are seconds of audio, `total_s` 0 while unknown; `progress_ratio` is 0 to 1.
    """

    job_id: str
    state: JobState
    file_name: str
    create_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    progress_ratio: float
    done_s: float
    total_s: float
    error: StenodError | None
    proto: job_pb2.Job = field(repr=False, compare=False)

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of audio for each second of work, once the job has succeeded."""
        if self.state is not JobState.SUCCEEDED or not self.start_time or not self.end_time:
            return None
        work_s = (self.end_time - self.start_time).total_seconds()
        duration_s = self.proto.transcript_info.duration.ToNanoseconds() / 1e9
        return duration_s / work_s if work_s > 0 else None


@dataclass(frozen=True, slots=True)
class Word:
    """A text piece with its punctuation. Seconds from the start of the file; `confidence` is 0 to 1; `volume` 0 to 100,
    None where nobody measured; `tags` are `disfluency` and `profanity`.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float
    speaker: str
    channel: str
    language: str
    volume: float | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """A number, a date, an amount: as it is written, and as it was spoken."""

    kind: str
    words: tuple[Word, ...]
    spoken: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said in one breath. While `final` is False, labels and formatting may still change. `confidence` is the
    mean of the words'; `utterance` and `paragraph` count from 0, and are not known while the job runs.
    """

    index: int
    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]
    entities: tuple[Entity, ...]
    speaker: str
    channel: str
    language: str
    confidence: float
    utterance: int | None
    paragraph: int | None
    final: bool
    proto: transcript_pb2.Segment = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcript. `warnings` are (reason, message). `speaker_identifiers`, where they were asked for, are by
    label, as the `known_speakers` of later jobs are.
    """

    job_id: str
    language: str
    language_confidence: float
    model: str
    duration_s: float
    speech_s: float
    segments: tuple[Segment, ...] = field(repr=False)
    speakers: tuple[str, ...]
    speaker_identifiers: Mapping[str, tuple[str, ...]] = field(repr=False)
    channels: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    proto: transcript_pb2.TranscriptInfo = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """What a watch brings: the job as it is now, and the segments finished since the last update."""

    job: Job
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Capacity:
    """How busy a server is. What it does not know yet is None."""

    node: str
    max_engines: int
    unused_engines: int
    elastic_engines: int
    active_job_ids: tuple[str, ...]
    queued_job_count: int
    oldest_queued_s: float | None
    expected_wait_s: float | None
    real_time_factor: float | None
    admission_mode: str
    accepting: bool
    proto: capacity_pb2.Capacity = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A recogniser that the server has loaded."""

    name: str
    family: str
    languages: tuple[str, ...]
    is_default: bool
    window_target_s: float
    window_max_s: float
    max_batch_size: int
    proto: capacity_pb2.Model = field(repr=False, compare=False)
