"""What the form and the header of a submit say, as the configuration of a job. Refuses by the names callers know."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from stenod_server.domain import job_rules
from stenod_server.domain.decoding import Decoding, VocabularyEntry
from stenod_server.domain.job import JobConfig, LowConfidenceAction, Origin, RemoteMedia
from stenod_server.domain.notification import Content, Method, Notification
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.errors import InvalidField
from stenod_server.rest.speechmatics import echo, outcomes
from stenod_server.rest.speechmatics.diarization import read_diarization
from stenod_server.rest.speechmatics.formatting import read_formatting
from stenod_server.rest.speechmatics.wire import (
    FetchData,
    LanguageIdentificationConfig,
    NotificationConfig,
    ProcessingData,
    Tracking,
    VocabularyItem,
    WireConfig,
)
from stenod_server.rest.vocabulary import read_vocabulary

PROCESSING_DATA: Final = "X-SM-Processing-Data"
MAX_DETAILS_DEPTH: Final = 16
_FORMS: Final = (VocabularyItem.__name__, "str")  # pydantic's names for the two ways to write an item
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Asked:
    """A configuration that was understood. `model` is a name of the dialect; `remote`: where the recording is."""

    config: JobConfig
    model: str
    remote: RemoteMedia | None


def read_processing_data(header: str | None) -> ProcessingData:
    """Raises InvalidField."""
    said = _read(ProcessingData, header or "{}", field=PROCESSING_DATA)
    job_rules.user_id(f"{PROCESSING_DATA}.user_id", said.user_id or "")
    return said


def read_config(text: str, processing: ProcessingData, *, request_id: str) -> Asked:
    """Raises InvalidField, LimitExceeded, UnsupportedFeature."""
    wire = _read(WireConfig, text, field="")
    given = wire.model_dump(exclude_unset=True, by_alias=True)
    outcomes.check(given)
    transcription = wire.transcription_config
    if transcription is None:
        raise InvalidField("transcription_config", "is required")
    tracking = wire.tracking or Tracking()
    vocabulary, warnings = _vocabulary(transcription.additional_vocab or ())
    identification = wire.language_identification_config or LanguageIdentificationConfig()
    action, default_language = _low_confidence(transcription.language, identification)
    config = JobConfig(
        language=job_rules.language("transcription_config.language", transcription.language),
        expected_languages=job_rules.expected_languages(
            "language_identification_config.expected_languages",
            transcription.language,
            identification.expected_languages or (),
        ),
        low_confidence_action=action,
        default_language=default_language,
        decoding=Decoding(vocabulary=vocabulary),
        warnings=warnings,
        subtitles=subtitle_shape(given),
        parallel_engines=processing.parallel_engines or 1,
        formatting=read_formatting(transcription),
        diarization=read_diarization(transcription),
        user_id=processing.user_id or "",
        title=job_rules.label("tracking.title", tracking.title or ""),
        reference=job_rules.label("tracking.reference", tracking.reference or ""),
        tags=job_rules.tags("tracking.tags", tracking.tags or ()),
        details_json=_details_json(tracking.details),
        keep_media=True,  # `/data` gives it back
        notifications=_notifications(wire.notification_config or ()),
        origin=Origin(echo.DIALECT, request_id, echo.to_keep(given)),
    )
    return Asked(config, transcription.model or transcription.operating_point or "", _remote(wire.fetch_data))


def subtitle_shape(config: Mapping[str, Any]) -> SubtitleShape:
    """Of `output_config.srt_overrides`. Raises InvalidField."""
    overrides = (config.get("output_config") or {}).get("srt_overrides") or {}
    return SubtitleShape(**{name: value for name, value in overrides.items() if value is not None})


def _read(model: type[_Model], text: str, *, field: str) -> _Model:
    """Raises InvalidField naming the first key that is wrong."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(step) for step in (field, *first["loc"]) if step not in {"", *_FORMS})
        raise InvalidField(path or "config", _problem(first["type"], first["msg"])) from error


def _problem(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such key"
    return "is required" if kind == "missing" else message


def _vocabulary(
    items: Sequence[VocabularyItem | str],
) -> tuple[tuple[VocabularyEntry, ...], tuple[Warning, ...]]:
    entries = [
        VocabularyEntry(item) if isinstance(item, str) else VocabularyEntry(item.content, tuple(item.sounds_like or ()))
        for item in items
    ]
    return read_vocabulary("transcription_config.additional_vocab", entries)


def _low_confidence(spoken: str, asked: LanguageIdentificationConfig) -> tuple[LowConfidenceAction, str]:
    section = "language_identification_config"
    return job_rules.low_confidence(
        f"{section}.low_confidence_action",
        f"{section}.default_language",
        spoken,
        LowConfidenceAction(asked.low_confidence_action or LowConfidenceAction.ALLOW),
        asked.default_language or "",
    )


def _details_json(details: Mapping[str, Any] | None) -> str:
    if not details:
        return ""
    _check_plain(details, depth=1)
    return job_rules.details("tracking.details", json.dumps(details, sort_keys=True))


def _check_plain(value: object, *, depth: int) -> None:
    """Raises InvalidField for what not every reader of JSON can read again: nesting without end, numbers beyond all
    bounds.
    """
    if depth > MAX_DETAILS_DEPTH:
        raise InvalidField("tracking.details", f"is nested deeper than {MAX_DETAILS_DEPTH}")
    if isinstance(value, int | float) and not (abs(value) <= 2**1023 and math.isfinite(value)):
        raise InvalidField("tracking.details", "has a number that is out of range")
    children: Sequence[object] = ()
    if isinstance(value, Mapping):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    for child in children:
        _check_plain(child, depth=depth + 1)


def _remote(fetch: FetchData | None) -> RemoteMedia | None:
    if fetch is None:
        return None
    return RemoteMedia(uri=fetch.url, headers=_headers("fetch_data.auth_headers", fetch.auth_headers or ()))


def _notifications(given: Sequence[NotificationConfig]) -> tuple[Notification, ...]:
    return tuple(_notification(f"notification_config.{place}", one) for place, one in enumerate(given))


def _notification(field: str, given: NotificationConfig) -> Notification:
    return Notification(
        url=given.url,
        contents=tuple(_content(f"{field}.contents", name) for name in given.contents or ()),
        method=Method(given.method or Method.POST),
        headers=_headers(f"{field}.auth_headers", given.auth_headers or ()),
    )


def _content(field: str, name: str) -> Content:
    try:
        return Content(name)
    except ValueError as error:
        raise InvalidField(field, f"{name!r} is none of {', '.join(Content)}") from error


def _headers(field: str, lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Of lines like `Name: value`. No message repeats any of them."""
    headers = []
    for place, line in enumerate(lines):
        name, colon, value = line.partition(":")
        if not colon:
            raise InvalidField(f"{field}.{place}", "must be like 'Name: value'")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)
