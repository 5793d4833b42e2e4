"""Whom to tell when a job ends, and what; and how far that is."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from stenod_server.domain.uri import shown

MAX_NOTIFICATIONS: Final = 3
OUTPUT_SCHEMES: Final = frozenset({"s3", "gs", "az"})


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
    """One call to be made when a job has ended, however it did. `headers` may be secret, and so may be what stands in
    the `url` beside its path: never logged, never shown, forgotten once delivered. No `contents`: what the caller's
    dialect sends when it is told nothing.

    Where the `url` is a place in a bucket, no call is made: its contents are written there, each under that name with
    an ending of its own. No `contents`: the transcript as JSON. A `url` that ends in a slash: the name is the job's id.
    """

    url: str
    contents: tuple[Content, ...] = ()
    method: Method = Method.POST
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def host(self) -> str:
        """Who is called: the name or number in the address."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_output(self) -> bool:
        """Whether it is to be written to a bucket."""
        return self.url.partition("://")[0].lower() in OUTPUT_SCHEMES

    @property
    def without_secrets(self) -> "Notification":
        return replace(self, url=shown(self.url), headers=())


class NoticeState(StrEnum):
    """How far a notification is."""

    PENDING = "PENDING"  # the job has not ended, or the receiver has not taken it yet
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What became of a notification of a job; `url` as it may be shown, `error` that of the last attempt."""

    url: str
    state: NoticeState = NoticeState.PENDING
    attempts: int = 0
    error: str = ""

    @property
    def complaint(self) -> str:
        """That it was given up, in a sentence."""
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"the notification to {self.url} was given up, having been sent {times}: {self.error}"
