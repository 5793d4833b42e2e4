import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from stenod.v1 import speaker_pb2 as _speaker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TranscriptFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSCRIPT_FORMAT_UNSPECIFIED: _ClassVar[TranscriptFormat]
    TRANSCRIPT_FORMAT_JSON: _ClassVar[TranscriptFormat]
    TRANSCRIPT_FORMAT_JSON_V2: _ClassVar[TranscriptFormat]
    TRANSCRIPT_FORMAT_TXT: _ClassVar[TranscriptFormat]
    TRANSCRIPT_FORMAT_SRT: _ClassVar[TranscriptFormat]
    TRANSCRIPT_FORMAT_VTT: _ClassVar[TranscriptFormat]

class WordTag(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORD_TAG_UNSPECIFIED: _ClassVar[WordTag]
    WORD_TAG_DISFLUENCY: _ClassVar[WordTag]
    WORD_TAG_PROFANITY: _ClassVar[WordTag]
TRANSCRIPT_FORMAT_UNSPECIFIED: TranscriptFormat
TRANSCRIPT_FORMAT_JSON: TranscriptFormat
TRANSCRIPT_FORMAT_JSON_V2: TranscriptFormat
TRANSCRIPT_FORMAT_TXT: TranscriptFormat
TRANSCRIPT_FORMAT_SRT: TranscriptFormat
TRANSCRIPT_FORMAT_VTT: TranscriptFormat
WORD_TAG_UNSPECIFIED: WordTag
WORD_TAG_DISFLUENCY: WordTag
WORD_TAG_PROFANITY: WordTag

class SubtitleOptions(_message.Message):
    __slots__ = ("max_line_length", "max_lines", "max_characters_per_second", "min_gap", "speaker_names")
    MAX_LINE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_LINES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHARACTERS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MIN_GAP_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_NAMES_FIELD_NUMBER: _ClassVar[int]
    max_line_length: int
    max_lines: int
    max_characters_per_second: float
    min_gap: _duration_pb2.Duration
    speaker_names: bool
    def __init__(self, max_line_length: _Optional[int] = ..., max_lines: _Optional[int] = ..., max_characters_per_second: _Optional[float] = ..., min_gap: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., speaker_names: _Optional[bool] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_offset", "end_offset", "confidence", "language", "channel", "speaker", "volume", "tags")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    confidence: float
    language: str
    channel: str
    speaker: str
    volume: float
    tags: _containers.RepeatedScalarFieldContainer[WordTag]
    def __init__(self, text: _Optional[str] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., confidence: _Optional[float] = ..., language: _Optional[str] = ..., channel: _Optional[str] = ..., speaker: _Optional[str] = ..., volume: _Optional[float] = ..., tags: _Optional[_Iterable[_Union[WordTag, str]]] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("kind", "first_word", "word_count", "spoken_words")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIRST_WORD_FIELD_NUMBER: _ClassVar[int]
    WORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SPOKEN_WORDS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    first_word: int
    word_count: int
    spoken_words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, kind: _Optional[str] = ..., first_word: _Optional[int] = ..., word_count: _Optional[int] = ..., spoken_words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("index", "text", "start_offset", "end_offset", "words", "language", "channel", "speaker", "final", "entities", "confidence", "utterance_index", "paragraph_index")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAGRAPH_INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    text: str
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    words: _containers.RepeatedCompositeFieldContainer[Word]
    language: str
    channel: str
    speaker: str
    final: bool
    entities: _containers.RepeatedCompositeFieldContainer[Entity]
    confidence: float
    utterance_index: int
    paragraph_index: int
    def __init__(self, index: _Optional[int] = ..., text: _Optional[str] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., language: _Optional[str] = ..., channel: _Optional[str] = ..., speaker: _Optional[str] = ..., final: _Optional[bool] = ..., entities: _Optional[_Iterable[_Union[Entity, _Mapping]]] = ..., confidence: _Optional[float] = ..., utterance_index: _Optional[int] = ..., paragraph_index: _Optional[int] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class TranscriptInfo(_message.Message):
    __slots__ = ("duration", "language", "language_confidence", "model", "speech_duration", "speakers", "warnings", "window_count", "from_cache", "channels")
    DURATION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPEECH_DURATION_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_CACHE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    duration: _duration_pb2.Duration
    language: str
    language_confidence: float
    model: str
    speech_duration: _duration_pb2.Duration
    speakers: _containers.RepeatedCompositeFieldContainer[_speaker_pb2.Speaker]
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    window_count: int
    from_cache: bool
    channels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., language: _Optional[str] = ..., language_confidence: _Optional[float] = ..., model: _Optional[str] = ..., speech_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., speakers: _Optional[_Iterable[_Union[_speaker_pb2.Speaker, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., window_count: _Optional[int] = ..., from_cache: _Optional[bool] = ..., channels: _Optional[_Iterable[str]] = ...) -> None: ...
