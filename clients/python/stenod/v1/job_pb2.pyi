import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from stenod.v1 import media_pb2 as _media_pb2
from stenod.v1 import speaker_pb2 as _speaker_pb2
from stenod.v1 import transcript_pb2 as _transcript_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
    JOB_STATE_EXPIRED: _ClassVar[JobState]

class LowConfidenceAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOW_CONFIDENCE_ACTION_UNSPECIFIED: _ClassVar[LowConfidenceAction]
    LOW_CONFIDENCE_ACTION_ALLOW: _ClassVar[LowConfidenceAction]
    LOW_CONFIDENCE_ACTION_REJECT: _ClassVar[LowConfidenceAction]
    LOW_CONFIDENCE_ACTION_USE_DEFAULT_LANGUAGE: _ClassVar[LowConfidenceAction]

class OperatingPoint(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATING_POINT_UNSPECIFIED: _ClassVar[OperatingPoint]
    OPERATING_POINT_STANDARD: _ClassVar[OperatingPoint]
    OPERATING_POINT_ENHANCED: _ClassVar[OperatingPoint]

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_TRANSCRIBE: _ClassVar[Task]
    TASK_TRANSLATE: _ClassVar[Task]

class ProfanityFilter(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFANITY_FILTER_UNSPECIFIED: _ClassVar[ProfanityFilter]
    PROFANITY_FILTER_KEEP: _ClassVar[ProfanityFilter]
    PROFANITY_FILTER_MASK: _ClassVar[ProfanityFilter]

class DiarizationMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIARIZATION_MODE_UNSPECIFIED: _ClassVar[DiarizationMode]
    DIARIZATION_MODE_NONE: _ClassVar[DiarizationMode]
    DIARIZATION_MODE_CHANNEL: _ClassVar[DiarizationMode]
    DIARIZATION_MODE_SPEAKER: _ClassVar[DiarizationMode]

class NotificationContent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_CONTENT_UNSPECIFIED: _ClassVar[NotificationContent]
    NOTIFICATION_CONTENT_JOB: _ClassVar[NotificationContent]
    NOTIFICATION_CONTENT_MEDIA: _ClassVar[NotificationContent]

class NotificationMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_METHOD_UNSPECIFIED: _ClassVar[NotificationMethod]
    NOTIFICATION_METHOD_POST: _ClassVar[NotificationMethod]
    NOTIFICATION_METHOD_PUT: _ClassVar[NotificationMethod]

class NotificationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_STATE_UNSPECIFIED: _ClassVar[NotificationState]
    NOTIFICATION_STATE_PENDING: _ClassVar[NotificationState]
    NOTIFICATION_STATE_DELIVERED: _ClassVar[NotificationState]
    NOTIFICATION_STATE_GIVEN_UP: _ClassVar[NotificationState]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
JOB_STATE_EXPIRED: JobState
LOW_CONFIDENCE_ACTION_UNSPECIFIED: LowConfidenceAction
LOW_CONFIDENCE_ACTION_ALLOW: LowConfidenceAction
LOW_CONFIDENCE_ACTION_REJECT: LowConfidenceAction
LOW_CONFIDENCE_ACTION_USE_DEFAULT_LANGUAGE: LowConfidenceAction
OPERATING_POINT_UNSPECIFIED: OperatingPoint
OPERATING_POINT_STANDARD: OperatingPoint
OPERATING_POINT_ENHANCED: OperatingPoint
TASK_UNSPECIFIED: Task
TASK_TRANSCRIBE: Task
TASK_TRANSLATE: Task
PROFANITY_FILTER_UNSPECIFIED: ProfanityFilter
PROFANITY_FILTER_KEEP: ProfanityFilter
PROFANITY_FILTER_MASK: ProfanityFilter
DIARIZATION_MODE_UNSPECIFIED: DiarizationMode
DIARIZATION_MODE_NONE: DiarizationMode
DIARIZATION_MODE_CHANNEL: DiarizationMode
DIARIZATION_MODE_SPEAKER: DiarizationMode
NOTIFICATION_CONTENT_UNSPECIFIED: NotificationContent
NOTIFICATION_CONTENT_JOB: NotificationContent
NOTIFICATION_CONTENT_MEDIA: NotificationContent
NOTIFICATION_METHOD_UNSPECIFIED: NotificationMethod
NOTIFICATION_METHOD_POST: NotificationMethod
NOTIFICATION_METHOD_PUT: NotificationMethod
NOTIFICATION_STATE_UNSPECIFIED: NotificationState
NOTIFICATION_STATE_PENDING: NotificationState
NOTIFICATION_STATE_DELIVERED: NotificationState
NOTIFICATION_STATE_GIVEN_UP: NotificationState

class Job(_message.Message):
    __slots__ = ("job_id", "state", "config", "media", "request_id", "create_time", "update_time", "start_time", "end_time", "expire_time", "attempt_count", "progress", "error", "transcript_info", "node", "cancelling", "notifications")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_INFO_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: JobState
    config: JobConfig
    media: _media_pb2.MediaInfo
    request_id: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    attempt_count: int
    progress: JobProgress
    error: _status_pb2.Status
    transcript_info: _transcript_pb2.TranscriptInfo
    node: str
    cancelling: bool
    notifications: _containers.RepeatedCompositeFieldContainer[NotificationStatus]
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., config: _Optional[_Union[JobConfig, _Mapping]] = ..., media: _Optional[_Union[_media_pb2.MediaInfo, _Mapping]] = ..., request_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt_count: _Optional[int] = ..., progress: _Optional[_Union[JobProgress, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., transcript_info: _Optional[_Union[_transcript_pb2.TranscriptInfo, _Mapping]] = ..., node: _Optional[str] = ..., cancelling: _Optional[bool] = ..., notifications: _Optional[_Iterable[_Union[NotificationStatus, _Mapping]]] = ...) -> None: ...

class JobProgress(_message.Message):
    __slots__ = ("done_duration", "total_duration", "segment_count", "ratio")
    DONE_DURATION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    done_duration: _duration_pb2.Duration
    total_duration: _duration_pb2.Duration
    segment_count: int
    ratio: float
    def __init__(self, done_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., segment_count: _Optional[int] = ..., ratio: _Optional[float] = ...) -> None: ...

class JobConfig(_message.Message):
    __slots__ = ("language", "expected_languages", "operating_point", "model", "task", "formatting", "start_offset", "end_offset", "diarization", "additional_vocabulary", "scheduling", "user_id", "tracking", "notifications", "ttl", "rendering", "decoding", "low_confidence_action", "default_language")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    OPERATING_POINT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    FORMATTING_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DIARIZATION_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TRACKING_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    RENDERING_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    LOW_CONFIDENCE_ACTION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    language: str
    expected_languages: _containers.RepeatedScalarFieldContainer[str]
    operating_point: OperatingPoint
    model: str
    task: Task
    formatting: FormattingConfig
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    diarization: DiarizationConfig
    additional_vocabulary: _containers.RepeatedCompositeFieldContainer[VocabularyEntry]
    scheduling: SchedulingConfig
    user_id: str
    tracking: Tracking
    notifications: _containers.RepeatedCompositeFieldContainer[Notification]
    ttl: _duration_pb2.Duration
    rendering: RenderingConfig
    decoding: DecodingConfig
    low_confidence_action: LowConfidenceAction
    default_language: str
    def __init__(self, language: _Optional[str] = ..., expected_languages: _Optional[_Iterable[str]] = ..., operating_point: _Optional[_Union[OperatingPoint, str]] = ..., model: _Optional[str] = ..., task: _Optional[_Union[Task, str]] = ..., formatting: _Optional[_Union[FormattingConfig, _Mapping]] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., diarization: _Optional[_Union[DiarizationConfig, _Mapping]] = ..., additional_vocabulary: _Optional[_Iterable[_Union[VocabularyEntry, _Mapping]]] = ..., scheduling: _Optional[_Union[SchedulingConfig, _Mapping]] = ..., user_id: _Optional[str] = ..., tracking: _Optional[_Union[Tracking, _Mapping]] = ..., notifications: _Optional[_Iterable[_Union[Notification, _Mapping]]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., rendering: _Optional[_Union[RenderingConfig, _Mapping]] = ..., decoding: _Optional[_Union[DecodingConfig, _Mapping]] = ..., low_confidence_action: _Optional[_Union[LowConfidenceAction, str]] = ..., default_language: _Optional[str] = ...) -> None: ...

class FormattingConfig(_message.Message):
    __slots__ = ("punctuation", "numerals", "permitted_marks", "punctuation_sensitivity", "remove_disfluencies", "output_locale", "replacements", "entities", "casing", "profanity_filter", "volume_threshold")
    PUNCTUATION_FIELD_NUMBER: _ClassVar[int]
    NUMERALS_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_MARKS_FIELD_NUMBER: _ClassVar[int]
    PUNCTUATION_SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_DISFLUENCIES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LOCALE_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    CASING_FIELD_NUMBER: _ClassVar[int]
    PROFANITY_FILTER_FIELD_NUMBER: _ClassVar[int]
    VOLUME_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    punctuation: bool
    numerals: bool
    permitted_marks: _containers.RepeatedScalarFieldContainer[str]
    punctuation_sensitivity: float
    remove_disfluencies: bool
    output_locale: str
    replacements: _containers.RepeatedCompositeFieldContainer[Replacement]
    entities: bool
    casing: bool
    profanity_filter: ProfanityFilter
    volume_threshold: float
    def __init__(self, punctuation: _Optional[bool] = ..., numerals: _Optional[bool] = ..., permitted_marks: _Optional[_Iterable[str]] = ..., punctuation_sensitivity: _Optional[float] = ..., remove_disfluencies: _Optional[bool] = ..., output_locale: _Optional[str] = ..., replacements: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ..., entities: _Optional[bool] = ..., casing: _Optional[bool] = ..., profanity_filter: _Optional[_Union[ProfanityFilter, str]] = ..., volume_threshold: _Optional[float] = ...) -> None: ...

class Replacement(_message.Message):
    __slots__ = ("pattern", "replacement")
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    replacement: str
    def __init__(self, pattern: _Optional[str] = ..., replacement: _Optional[str] = ...) -> None: ...

class DiarizationConfig(_message.Message):
    __slots__ = ("mode", "channel_labels", "speaker_sensitivity", "min_speakers", "max_speakers", "return_speaker_identifiers", "known_speakers", "prefer_current_speaker")
    MODE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    RETURN_SPEAKER_IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    PREFER_CURRENT_SPEAKER_FIELD_NUMBER: _ClassVar[int]
    mode: DiarizationMode
    channel_labels: _containers.RepeatedScalarFieldContainer[str]
    speaker_sensitivity: float
    min_speakers: int
    max_speakers: int
    return_speaker_identifiers: bool
    known_speakers: _containers.RepeatedCompositeFieldContainer[_speaker_pb2.KnownSpeaker]
    prefer_current_speaker: bool
    def __init__(self, mode: _Optional[_Union[DiarizationMode, str]] = ..., channel_labels: _Optional[_Iterable[str]] = ..., speaker_sensitivity: _Optional[float] = ..., min_speakers: _Optional[int] = ..., max_speakers: _Optional[int] = ..., return_speaker_identifiers: _Optional[bool] = ..., known_speakers: _Optional[_Iterable[_Union[_speaker_pb2.KnownSpeaker, _Mapping]]] = ..., prefer_current_speaker: _Optional[bool] = ...) -> None: ...

class VocabularyEntry(_message.Message):
    __slots__ = ("content", "sounds_like", "boost")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SOUNDS_LIKE_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    content: str
    sounds_like: _containers.RepeatedScalarFieldContainer[str]
    boost: float
    def __init__(self, content: _Optional[str] = ..., sounds_like: _Optional[_Iterable[str]] = ..., boost: _Optional[float] = ...) -> None: ...

class DecodingConfig(_message.Message):
    __slots__ = ("beam_size", "prompt")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    prompt: str
    def __init__(self, beam_size: _Optional[int] = ..., prompt: _Optional[str] = ...) -> None: ...

class SchedulingConfig(_message.Message):
    __slots__ = ("parallel_engines", "max_parallel_engines", "fail_fast", "priority", "deadline")
    PARALLEL_ENGINES_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_ENGINES_FIELD_NUMBER: _ClassVar[int]
    FAIL_FAST_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    parallel_engines: int
    max_parallel_engines: int
    fail_fast: bool
    priority: int
    deadline: _duration_pb2.Duration
    def __init__(self, parallel_engines: _Optional[int] = ..., max_parallel_engines: _Optional[int] = ..., fail_fast: _Optional[bool] = ..., priority: _Optional[int] = ..., deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Tracking(_message.Message):
    __slots__ = ("title", "reference", "tags", "details")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    title: str
    reference: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    details: _struct_pb2.Struct
    def __init__(self, title: _Optional[str] = ..., reference: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Notification(_message.Message):
    __slots__ = ("url", "headers", "formats", "contents", "method")
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    url: str
    headers: _containers.RepeatedCompositeFieldContainer[_media_pb2.HttpHeader]
    formats: _containers.RepeatedScalarFieldContainer[_transcript_pb2.TranscriptFormat]
    contents: _containers.RepeatedScalarFieldContainer[NotificationContent]
    method: NotificationMethod
    def __init__(self, url: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[_media_pb2.HttpHeader, _Mapping]]] = ..., formats: _Optional[_Iterable[_Union[_transcript_pb2.TranscriptFormat, str]]] = ..., contents: _Optional[_Iterable[_Union[NotificationContent, str]]] = ..., method: _Optional[_Union[NotificationMethod, str]] = ...) -> None: ...

class NotificationStatus(_message.Message):
    __slots__ = ("url", "state", "attempt_count", "error")
    URL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    url: str
    state: NotificationState
    attempt_count: int
    error: str
    def __init__(self, url: _Optional[str] = ..., state: _Optional[_Union[NotificationState, str]] = ..., attempt_count: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class RenderingConfig(_message.Message):
    __slots__ = ("subtitles",)
    SUBTITLES_FIELD_NUMBER: _ClassVar[int]
    subtitles: _transcript_pb2.SubtitleOptions
    def __init__(self, subtitles: _Optional[_Union[_transcript_pb2.SubtitleOptions, _Mapping]] = ...) -> None: ...
