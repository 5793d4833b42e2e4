"""Segments ↔ rows. Words are arrays, `["Hello", start, end, confidence]` in samples, to be short and still readable.

A word that differs from its segment carries language, channel and speaker behind. What few words have is beside them:
`volumes` in order where any was measured, `tags` by the place of the word, `entities`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from stenod_server.domain.transcript import Entity, Segment, Word, WordTag
from stenod_server.store.codec import RATIO_DIGITS, to_json

_Labels: TypeAlias = tuple[str, str, str]
_LABELS: Final = ("language", "channel", "speaker")
_VOLUME_DIGITS: Final = 1


def segment_row(job_id: str, segment: Segment) -> dict[str, Any]:
    labels = _labels(segment)
    body: dict[str, Any] = {"words": [_pack(word, labels) for word in segment.words]}
    body |= {name: value for name, value in zip(_LABELS, labels, strict=True) if value}
    if any(word.volume is not None for word in segment.words):
        body["volumes"] = [_rounded(word.volume) for word in segment.words]
    if tags := {str(place): list(word.tags) for place, word in enumerate(segment.words) if word.tags}:
        body["tags"] = tags
    if segment.entities:
        body["entities"] = [_pack_entity(entity, labels) for entity in segment.entities]
    return {"job_id": job_id, "segment_index": segment.index, "body": to_json(body)}


def read_segment(row: sa.Row[Any], *, final: bool) -> Segment:
    column = row._mapping  # noqa: SLF001  the documented way to read a row by name
    body: Mapping[str, Any] = json.loads(column["body"])
    labels = language, channel, speaker = (body.get("language", ""), body.get("channel", ""), body.get("speaker", ""))
    volumes = body.get("volumes") or repeat(None, len(body["words"]))
    words = [_unpack(packed, labels, volume) for packed, volume in zip(body["words"], volumes, strict=True)]
    for place, tags in body.get("tags", {}).items():
        words[int(place)] = replace(words[int(place)], tags=tuple(map(WordTag, tags)))
    return Segment(
        index=column["segment_index"],
        words=tuple(words),
        language=language,
        channel=channel,
        speaker=speaker,
        final=final,
        entities=tuple(_unpack_entity(packed, labels) for packed in body.get("entities", ())),
    )


def _labels(of: Segment | Word) -> _Labels:
    return of.language, of.channel, of.speaker


def _rounded(volume: float | None) -> float | None:
    return None if volume is None else round(volume, _VOLUME_DIGITS)


def _pack(word: Word, segment_labels: _Labels) -> list[Any]:
    packed = [word.text, word.start_samples, word.end_samples, round(word.confidence, RATIO_DIGITS)]
    labels = _labels(word)
    return packed if labels == segment_labels else [*packed, *labels]


def _unpack(packed: Sequence[Any], segment_labels: _Labels, volume: float | None = None) -> Word:
    text, start_samples, end_samples, confidence, *own_labels = packed
    language, channel, speaker = own_labels or segment_labels
    return Word(text, start_samples, end_samples, confidence, language, channel, speaker, volume)


def _pack_entity(entity: Entity, segment_labels: _Labels) -> list[Any]:
    spoken = [_pack(word, segment_labels) for word in entity.spoken]
    return [entity.kind, entity.first_word, entity.word_count, spoken]


def _unpack_entity(packed: Sequence[Any], segment_labels: _Labels) -> Entity:
    kind, first_word, word_count, spoken = packed
    return Entity(kind, first_word, word_count, tuple(_unpack(word, segment_labels) for word in spoken))
