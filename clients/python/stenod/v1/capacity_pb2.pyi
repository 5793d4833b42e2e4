import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from stenod.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdmissionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADMISSION_MODE_UNSPECIFIED: _ClassVar[AdmissionMode]
    ADMISSION_MODE_QUEUE: _ClassVar[AdmissionMode]
    ADMISSION_MODE_REJECT: _ClassVar[AdmissionMode]
ADMISSION_MODE_UNSPECIFIED: AdmissionMode
ADMISSION_MODE_QUEUE: AdmissionMode
ADMISSION_MODE_REJECT: AdmissionMode

class Capacity(_message.Message):
    __slots__ = ("node", "max_engines", "unused_engines", "elastic_engines", "active_jobs", "queued_job_count", "oldest_queued_age", "expected_wait", "real_time_factor", "admission_mode", "accepting", "nodes")
    NODE_FIELD_NUMBER: _ClassVar[int]
    MAX_ENGINES_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ENGINES_FIELD_NUMBER: _ClassVar[int]
    ELASTIC_ENGINES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_JOBS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_QUEUED_AGE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_WAIT_FIELD_NUMBER: _ClassVar[int]
    REAL_TIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_MODE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTING_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    node: str
    max_engines: int
    unused_engines: int
    elastic_engines: int
    active_jobs: _containers.RepeatedCompositeFieldContainer[ActiveJob]
    queued_job_count: int
    oldest_queued_age: _duration_pb2.Duration
    expected_wait: _duration_pb2.Duration
    real_time_factor: float
    admission_mode: AdmissionMode
    accepting: bool
    nodes: _containers.RepeatedCompositeFieldContainer[NodeCapacity]
    def __init__(self, node: _Optional[str] = ..., max_engines: _Optional[int] = ..., unused_engines: _Optional[int] = ..., elastic_engines: _Optional[int] = ..., active_jobs: _Optional[_Iterable[_Union[ActiveJob, _Mapping]]] = ..., queued_job_count: _Optional[int] = ..., oldest_queued_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., real_time_factor: _Optional[float] = ..., admission_mode: _Optional[_Union[AdmissionMode, str]] = ..., accepting: _Optional[bool] = ..., nodes: _Optional[_Iterable[_Union[NodeCapacity, _Mapping]]] = ...) -> None: ...

class NodeCapacity(_message.Message):
    __slots__ = ("node", "max_engines", "unused_engines", "elastic_engines", "ready", "draining")
    NODE_FIELD_NUMBER: _ClassVar[int]
    MAX_ENGINES_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ENGINES_FIELD_NUMBER: _ClassVar[int]
    ELASTIC_ENGINES_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    node: str
    max_engines: int
    unused_engines: int
    elastic_engines: int
    ready: bool
    draining: bool
    def __init__(self, node: _Optional[str] = ..., max_engines: _Optional[int] = ..., unused_engines: _Optional[int] = ..., elastic_engines: _Optional[int] = ..., ready: _Optional[bool] = ..., draining: _Optional[bool] = ...) -> None: ...

class ActiveJob(_message.Message):
    __slots__ = ("job_id", "reserved_engines", "elastic_engines")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVED_ENGINES_FIELD_NUMBER: _ClassVar[int]
    ELASTIC_ENGINES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    reserved_engines: int
    elastic_engines: int
    def __init__(self, job_id: _Optional[str] = ..., reserved_engines: _Optional[int] = ..., elastic_engines: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "family", "languages", "operating_points", "is_default", "window_target_duration", "window_max_duration", "max_batch_size", "length_bucket_durations", "tasks", "max_beam_size", "takes_vocabulary", "takes_prompt", "takes_punctuation_sensitivity", "writes_punctuation", "writes_capitals")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    OPERATING_POINTS_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_TARGET_DURATION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_BUCKET_DURATIONS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    MAX_BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    TAKES_VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    TAKES_PROMPT_FIELD_NUMBER: _ClassVar[int]
    TAKES_PUNCTUATION_SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    WRITES_PUNCTUATION_FIELD_NUMBER: _ClassVar[int]
    WRITES_CAPITALS_FIELD_NUMBER: _ClassVar[int]
    name: str
    family: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    operating_points: _containers.RepeatedScalarFieldContainer[_job_pb2.OperatingPoint]
    is_default: bool
    window_target_duration: _duration_pb2.Duration
    window_max_duration: _duration_pb2.Duration
    max_batch_size: int
    length_bucket_durations: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    tasks: _containers.RepeatedScalarFieldContainer[_job_pb2.Task]
    max_beam_size: int
    takes_vocabulary: bool
    takes_prompt: bool
    takes_punctuation_sensitivity: bool
    writes_punctuation: bool
    writes_capitals: bool
    def __init__(self, name: _Optional[str] = ..., family: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., operating_points: _Optional[_Iterable[_Union[_job_pb2.OperatingPoint, str]]] = ..., is_default: _Optional[bool] = ..., window_target_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window_max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_batch_size: _Optional[int] = ..., length_bucket_durations: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[_job_pb2.Task, str]]] = ..., max_beam_size: _Optional[int] = ..., takes_vocabulary: _Optional[bool] = ..., takes_prompt: _Optional[bool] = ..., takes_punctuation_sensitivity: _Optional[bool] = ..., writes_punctuation: _Optional[bool] = ..., writes_capitals: _Optional[bool] = ...) -> None: ...
