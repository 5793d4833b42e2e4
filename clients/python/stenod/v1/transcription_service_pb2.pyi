from google.api import field_behavior_pb2 as _field_behavior_pb2
from stenod.v1 import capacity_pb2 as _capacity_pb2
from stenod.v1 import job_pb2 as _job_pb2
from stenod.v1 import media_pb2 as _media_pb2
from stenod.v1 import transcript_pb2 as _transcript_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitJobRequest(_message.Message):
    __slots__ = ("request_id", "media", "config", "validate_only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    media: _media_pb2.MediaSource
    config: _job_pb2.JobConfig
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., media: _Optional[_Union[_media_pb2.MediaSource, _Mapping]] = ..., config: _Optional[_Union[_job_pb2.JobConfig, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SubmitJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("job_id", "include_segments", "from_segment_index", "skip_progress")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    FROM_SEGMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    SKIP_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    include_segments: bool
    from_segment_index: int
    skip_progress: bool
    def __init__(self, job_id: _Optional[str] = ..., include_segments: _Optional[bool] = ..., from_segment_index: _Optional[int] = ..., skip_progress: _Optional[bool] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("job", "segments")
    JOB_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    segments: _containers.RepeatedCompositeFieldContainer[_transcript_pb2.Segment]
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., segments: _Optional[_Iterable[_Union[_transcript_pb2.Segment, _Mapping]]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "states", "user_id", "tag")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    states: _containers.RepeatedScalarFieldContainer[_job_pb2.JobState]
    user_id: str
    tag: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_job_pb2.JobState, str]]] = ..., user_id: _Optional[str] = ..., tag: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("job_id", "force")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    force: bool
    def __init__(self, job_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DeleteJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class TranscribeRequest(_message.Message):
    __slots__ = ("request_id", "media", "config", "format", "subtitles")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SUBTITLES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    media: _media_pb2.MediaSource
    config: _job_pb2.JobConfig
    format: _transcript_pb2.TranscriptFormat
    subtitles: _transcript_pb2.SubtitleOptions
    def __init__(self, request_id: _Optional[str] = ..., media: _Optional[_Union[_media_pb2.MediaSource, _Mapping]] = ..., config: _Optional[_Union[_job_pb2.JobConfig, _Mapping]] = ..., format: _Optional[_Union[_transcript_pb2.TranscriptFormat, str]] = ..., subtitles: _Optional[_Union[_transcript_pb2.SubtitleOptions, _Mapping]] = ...) -> None: ...

class TranscribeResponse(_message.Message):
    __slots__ = ("job", "segments", "rendered")
    JOB_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    RENDERED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    segments: _containers.RepeatedCompositeFieldContainer[_transcript_pb2.Segment]
    rendered: str
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., segments: _Optional[_Iterable[_Union[_transcript_pb2.Segment, _Mapping]]] = ..., rendered: _Optional[str] = ...) -> None: ...

class GetTranscriptRequest(_message.Message):
    __slots__ = ("job_id", "format", "subtitles", "from_segment_index")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SUBTITLES_FIELD_NUMBER: _ClassVar[int]
    FROM_SEGMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    format: _transcript_pb2.TranscriptFormat
    subtitles: _transcript_pb2.SubtitleOptions
    from_segment_index: int
    def __init__(self, job_id: _Optional[str] = ..., format: _Optional[_Union[_transcript_pb2.TranscriptFormat, str]] = ..., subtitles: _Optional[_Union[_transcript_pb2.SubtitleOptions, _Mapping]] = ..., from_segment_index: _Optional[int] = ...) -> None: ...

class GetTranscriptResponse(_message.Message):
    __slots__ = ("info", "segment", "rendered_chunk")
    INFO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    RENDERED_CHUNK_FIELD_NUMBER: _ClassVar[int]
    info: _transcript_pb2.TranscriptInfo
    segment: _transcript_pb2.Segment
    rendered_chunk: bytes
    def __init__(self, info: _Optional[_Union[_transcript_pb2.TranscriptInfo, _Mapping]] = ..., segment: _Optional[_Union[_transcript_pb2.Segment, _Mapping]] = ..., rendered_chunk: _Optional[bytes] = ...) -> None: ...

class UploadMediaRequest(_message.Message):
    __slots__ = ("metadata", "chunk")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    metadata: _media_pb2.UploadMetadata
    chunk: bytes
    def __init__(self, metadata: _Optional[_Union[_media_pb2.UploadMetadata, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadMediaResponse(_message.Message):
    __slots__ = ("upload",)
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    upload: _media_pb2.Upload
    def __init__(self, upload: _Optional[_Union[_media_pb2.Upload, _Mapping]] = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("upload",)
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    upload: _media_pb2.Upload
    def __init__(self, upload: _Optional[_Union[_media_pb2.Upload, _Mapping]] = ...) -> None: ...

class GetCapacityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCapacityResponse(_message.Message):
    __slots__ = ("capacity",)
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    capacity: _capacity_pb2.Capacity
    def __init__(self, capacity: _Optional[_Union[_capacity_pb2.Capacity, _Mapping]] = ...) -> None: ...

class WatchCapacityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchCapacityResponse(_message.Message):
    __slots__ = ("capacity",)
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    capacity: _capacity_pb2.Capacity
    def __init__(self, capacity: _Optional[_Union[_capacity_pb2.Capacity, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_capacity_pb2.Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[_capacity_pb2.Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
