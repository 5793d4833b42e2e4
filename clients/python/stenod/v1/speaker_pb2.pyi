from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Speaker(_message.Message):
    __slots__ = ("label", "identifiers")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    label: str
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, label: _Optional[str] = ..., identifiers: _Optional[_Iterable[str]] = ...) -> None: ...

class KnownSpeaker(_message.Message):
    __slots__ = ("label", "identifiers")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    label: str
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, label: _Optional[str] = ..., identifiers: _Optional[_Iterable[str]] = ...) -> None: ...
