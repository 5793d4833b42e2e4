"""Writes and sends what a receiver is told: the request of contracts that clients of other systems know."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.notification import Content, Notification
from stenod_server.ports import BlobStore, Body, Clock, Courier, Delivery, JobStore, Letter
from stenod_server.scheduler.letter_parts import Part, has_transcript, job_part, media_part, multipart, transcript_part
from stenod_server.scheduler.signing import Signatures
from stenod_server.scheduler.transcript_files import TranscriptFiles
from stenod_server.scheduler.transcript_outputs import TranscriptOutputs
from stenod_server.telemetry.tracing import outgoing
from stenod_server.text.render import Renderings

_MEDIA_BYTES_PER_S: Final = 1024 * 1024  # a receiver that takes a recording more slowly is too slow
_FETCHING: Final = frozenset({"FETCH_FAILED", "FETCH_REFUSED", "MEDIA_NOT_FOUND"})

View = Callable[[Job], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How jobs of a dialect are told of. `view` is the job as that dialect shows it. `attachment`: what the transcript
    is called that is attached where nothing was asked for; empty: then the job is the body.
    """

    view: View
    user_agent: str
    attachment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is told is read from these. `manners` by dialect; that of the API itself is under the empty name."""

    store: JobStore
    blobs: BlobStore
    manners: Mapping[str, Manner]
    renderings: Renderings
    secrets: Callable[[], Sequence[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """What writes results that nobody is called for. `files`: None where none are wanted."""

    outputs: TranscriptOutputs
    files: TranscriptFiles | None = None


class WebMessenger:
    """Implements `notifier.Messenger`: calls receivers, and writes files and objects. `timeout_s` is for everything
    but the recording.
    """

    def __init__(self, courier: Courier, sources: Sources, clock: Clock, *, timeout_s: float, writers: Writers) -> None:
        self._courier = courier
        self._sources = sources
        self._clock = clock
        self._timeout_s = timeout_s
        self._writers = writers

    def limit_s(self, delivery: Delivery) -> float:
        contents = delivery.notification.contents if delivery.notification else ()
        media_bytes = delivery.job.media.size_bytes if Content.DATA in contents else 0
        return self._timeout_s + media_bytes / _MEDIA_BYTES_PER_S

    async def deliver(self, delivery: Delivery) -> None:
        match delivery.notification:
            case None:
                if self._writers.files is not None:  # otherwise the files are not wanted any more
                    await self._writers.files.write(delivery.job)
            case Notification(is_output=True) as output:
                view = self._manner(delivery.job).view(delivery.job)
                await self._writers.outputs.write(delivery.job, output, view)
            case notification:
                await self._call(delivery, notification)

    async def _call(self, delivery: Delivery, notification: Notification) -> None:
        """The body is read twice: to be measured and signed, then to be sent. So it is signed whole, as receivers
        expect, and neither in memory nor on the disk a second time.
        """
        async with AsyncExitStack() as stack:
            content_type, chunks = await self._body(stack, delivery.job, notification)
            timestamp_s = int(self._clock.now().timestamp())
            signatures = Signatures(self._sources.secrets(), delivery.delivery_id, timestamp_s)
            await signatures.feed(chunks())
            headers = {
                "User-Agent": self._manner(delivery.job).user_agent,
                "Content-Type": content_type,
                "webhook-id": delivery.delivery_id,
                "webhook-timestamp": str(timestamp_s),
                "webhook-signature": signatures.header,
                **dict(outgoing()),
            }
            letter = Letter(
                url=_addressed(notification.url, delivery.job),
                method=notification.method,
                headers=_joined(notification.headers, headers),
                body=Body(chunks, signatures.size_bytes),
                timeout_s=self.limit_s(delivery),
            )
            await self._courier.send(letter)

    async def _body(
        self, stack: AsyncExitStack, job: Job, notification: Notification
    ) -> tuple[str, Callable[[], AsyncIterator[bytes]]]:
        """Its type, and what gives it. The form is that of what was asked for, also where some of it is not there."""
        manner, contents = self._manner(job), notification.contents
        if not contents and not manner.attachment:
            contents = (Content.JOBINFO,)
        parts = [part for content in contents for part in await self._parts(stack, job, content)]
        if not contents and has_transcript(job):
            parts = [self._transcript(job, Content.TRANSCRIPT, name=manner.attachment)]
        if len(contents) == 1 and Content.DATA not in contents:
            return (parts[0].content_type, parts[0].chunks) if parts else ("", _nothing)
        boundary = secrets.token_hex(16)
        return f"multipart/form-data; boundary={boundary}", lambda: multipart(parts, boundary)

    async def _parts(self, stack: AsyncExitStack, job: Job, content: Content) -> list[Part]:
        """One; none where the job does not have it."""
        if content is Content.JOBINFO:
            return [job_part(job, self._manner(job).view(job))]
        if content is Content.DATA:
            if not job.media.key:
                return []
            return [media_part(job, await stack.enter_async_context(self._sources.blobs.local_path(job.media.key)))]
        return [self._transcript(job, content)] if has_transcript(job) else []

    def _transcript(self, job: Job, content: Content, *, name: str = "") -> Part:
        return transcript_part(self._sources.store, job, content, self._sources.renderings.open, name=name)

    def _manner(self, job: Job) -> Manner:
        manners = self._sources.manners
        return manners.get(job.config.origin.dialect, manners[""])


def outcome(job: Job) -> str:
    """In the words of the Speechmatics API."""
    reason = job.failure.reason if job.failure else ""
    if job.state is JobState.SUCCEEDED:
        return "success"
    if reason in _FETCHING:
        return "fetch_error"
    is_trimmed = bool(job.config.start_s or job.config.end_s)
    return "trim_error" if reason == "NO_AUDIO" and is_trimmed else "error"


def _addressed(url: str, job: Job) -> str:
    parts = urlsplit(url)
    added = urlencode({"id": job.job_id, "status": outcome(job)})
    return parts._replace(query=f"{parts.query}&{added}" if parts.query else added, fragment="").geturl()


def _joined(given: Sequence[tuple[str, str]], ours: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Ours that say something, unless the caller says it."""
    names = {name.lower() for name, _ in given}
    return (*((name, value) for name, value in ours.items() if value and name.lower() not in names), *given)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
