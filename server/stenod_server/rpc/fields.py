"""Checks of single request fields that several calls share; each raises InvalidField with the field's name."""

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from stenod.v1 import media_pb2
from stenod_server.domain.job import Job, JobState, RemoteMedia
from stenod_server.errors import InvalidField, LimitExceeded
from stenod_server.rpc import convert
from stenod_server.scheduler.intake import InlineMedia, MediaOrigin, RemoteOrigin, UploadedMedia

DEFAULT_PAGE_SIZE: Final = 50
MAX_REQUEST_ID_CHARACTERS: Final = 128


def required(field: str, value: str) -> str:
    if not value:
        raise InvalidField(field, "is required")
    return value


def at_least_zero(field: str, value: int) -> int:
    if value < 0:
        raise InvalidField(field, f"must be at least 0, got {value}")
    return value


def request_id(value: str) -> str:
    if len(value) > MAX_REQUEST_ID_CHARACTERS:
        raise LimitExceeded(
            "request_id", limit="characters of this field", allowed=MAX_REQUEST_ID_CHARACTERS, actual=len(value)
        )
    return value


def page_size(value: int, maximum: int) -> int:
    """0 is the default; above the maximum is the maximum (AIP-158)."""
    return min(at_least_zero("page_size", value) or DEFAULT_PAGE_SIZE, maximum)


def states(values: Iterable[int]) -> tuple[JobState, ...]:
    try:
        return tuple(convert.state_from(value) for value in values)
    except KeyError as error:
        raise InvalidField("states", f"{error} is not a JobState") from error


def read_page_token(token: str) -> tuple[datetime, str] | None:
    """The place after which a page begins: (create_time, job_id) of the last job seen."""
    if not token:
        return None
    try:
        moment, job_id = json.loads(base64.urlsafe_b64decode(token))
        return datetime.fromisoformat(moment), str(job_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidField("page_token", "is not a next_page_token of ListJobs") from error


def write_page_token(last: Job) -> str:
    place = json.dumps([last.create_time.isoformat(), last.job_id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def media_origin(media: media_pb2.MediaSource) -> MediaOrigin:
    """Raises InvalidField; what is at an address is not looked at."""
    if media.headers and media.WhichOneof("source") != "uri":
        raise InvalidField("media.headers", "go with media.uri alone: nothing else is fetched")
    match media.WhichOneof("source"):
        case "inline":
            return InlineMedia(media.inline, media.file_name)
        case "upload_id":
            return UploadedMedia(required("media.upload_id", media.upload_id), media.file_name)
        case "uri":
            headers = tuple((header.name, header.value) for header in media.headers)
            return RemoteOrigin(RemoteMedia(uri=media.uri, headers=headers), media.file_name)
    raise InvalidField("media", "one of inline, uri and upload_id is required")
