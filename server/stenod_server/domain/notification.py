"""Whom to tell when a job ends, and what."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_NOTIFICATIONS: Final = 3


class Content(StrEnum):
    """A part of what is sent; the values are those of the Speechmatics API, and ours beside them."""

    JOBINFO = "jobinfo"
    TRANSCRIPT = "transcript"  # as JSON_V2
    JSON_V2 = "transcript.json-v2"
    TXT = "transcript.txt"
    SRT = "transcript.srt"
    VTT = "transcript.vtt"
    JSON = "transcript.json"
    DATA = "data"  # the recording


class Method(StrEnum):
    """How it is sent."""

    POST = "post"
    PUT = "put"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One call to be made when a job has ended, however it did. `headers` may be secret: never logged, never shown,
    forgotten once delivered. No `contents`: what the caller's dialect sends when it is told nothing.
    """

    url: str
    contents: tuple[Content, ...] = ()
    method: Method = Method.POST
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
