"""Notifications of the API ↔ those of the domain."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from stenod.v1 import job_pb2, transcript_pb2
from stenod_server.domain.notification import Content, Method, Notice, NoticeState, Notification
from stenod_server.errors import InvalidField

FIELD: Final = "config.notifications"
_Number = TypeVar("_Number", bound=int)
_CONTENTS: Final = {
    job_pb2.NOTIFICATION_CONTENT_JOB: Content.JOBINFO,
    job_pb2.NOTIFICATION_CONTENT_MEDIA: Content.DATA,
}
_FORMATS: Final = {
    transcript_pb2.TRANSCRIPT_FORMAT_JSON: Content.JSON,
    transcript_pb2.TRANSCRIPT_FORMAT_JSON_V2: Content.JSON_V2,
    transcript_pb2.TRANSCRIPT_FORMAT_TXT: Content.TXT,
    transcript_pb2.TRANSCRIPT_FORMAT_SRT: Content.SRT,
    transcript_pb2.TRANSCRIPT_FORMAT_VTT: Content.VTT,
}
_METHODS: Final = {
    job_pb2.NOTIFICATION_METHOD_UNSPECIFIED: Method.POST,
    job_pb2.NOTIFICATION_METHOD_POST: Method.POST,
    job_pb2.NOTIFICATION_METHOD_PUT: Method.PUT,
}
_CONTENTS_BACK: Final = {content: number for number, content in _CONTENTS.items()}
_FORMATS_BACK: Final = {content: number for number, content in _FORMATS.items()} | {
    Content.TRANSCRIPT: transcript_pb2.TRANSCRIPT_FORMAT_JSON_V2
}
_METHODS_BACK: Final = {Method.POST: job_pb2.NOTIFICATION_METHOD_POST, Method.PUT: job_pb2.NOTIFICATION_METHOD_PUT}
_STATES: Final = {
    NoticeState.PENDING: job_pb2.NOTIFICATION_STATE_PENDING,
    NoticeState.DELIVERED: job_pb2.NOTIFICATION_STATE_DELIVERED,
    NoticeState.GIVEN_UP: job_pb2.NOTIFICATION_STATE_GIVEN_UP,
}


def from_proto(messages: Sequence[job_pb2.Notification]) -> tuple[Notification, ...]:
    """Raises InvalidField for a value that is none. What may be called is the notifier's to say."""
    return tuple(_read(f"{FIELD}[{place}]", message) for place, message in enumerate(messages))


def to_proto(notification: Notification) -> job_pb2.Notification:
    shown = notification.without_secrets
    return job_pb2.Notification(
        url=shown.url,
        contents=[_CONTENTS_BACK[content] for content in shown.contents if content in _CONTENTS_BACK],
        formats=[_FORMATS_BACK[content] for content in shown.contents if content in _FORMATS_BACK],
        method=_METHODS_BACK[shown.method],
    )


def status(notice: Notice) -> job_pb2.NotificationStatus:
    return job_pb2.NotificationStatus(
        url=notice.url, state=_STATES[notice.state], attempt_count=notice.attempts, error=notice.error
    )


def _read(field: str, message: job_pb2.Notification) -> Notification:
    if not message.url:
        raise InvalidField(f"{field}.url", "is required")
    if message.method not in _METHODS:
        raise InvalidField(f"{field}.method", f"{message.method} is not a NotificationMethod")
    contents = (
        *_known(f"{field}.contents", message.contents, _CONTENTS),
        *_known(f"{field}.formats", message.formats, _FORMATS),
    )
    return Notification(
        url=message.url,
        contents=tuple(dict.fromkeys(contents)),
        method=_METHODS[message.method],
        headers=tuple((header.name, header.value) for header in message.headers),
    )


def _known(field: str, given: Sequence[_Number], known: Mapping[_Number, Content]) -> list[Content]:
    if unknown := [number for number in given if number not in known]:
        raise InvalidField(field, f"{unknown[0]} is not one of {', '.join(map(str, known))}")
    return [known[number] for number in given]
