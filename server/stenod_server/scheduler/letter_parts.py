"""What is sent when a job has ended: its parts, each of which can be read as often as it is needed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stenod_server.domain.job import Job, JobState
from stenod_server.domain.notification import Content
from stenod_server.ports import JobStore
from stenod_server.text.render import Opener, Renderer, TranscriptFormat

PIECE_BYTES: Final = 1024 * 1024
FORMATS: Final[Mapping[Content, TranscriptFormat]] = {
    Content.TRANSCRIPT: TranscriptFormat.JSON_V2,
    Content.JSON_V2: TranscriptFormat.JSON_V2,
    Content.TXT: TranscriptFormat.TXT,
    Content.SRT: TranscriptFormat.SRT,
    Content.VTT: TranscriptFormat.VTT,
    Content.JSON: TranscriptFormat.JSON,
}
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"

Chunks = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Part:
    """One content. `chunks` gives the same bytes each time it is called."""

    name: str
    file_name: str
    content_type: str
    chunks: Chunks


def job_part(job: Job, view: Mapping[str, Any]) -> Part:
    data = json.dumps(view, ensure_ascii=False).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return Part(str(Content.JOBINFO), f"{job.job_id}.jobinfo.json", _JSON, chunks)


def transcript_part(store: JobStore, job: Job, content: Content, open_renderer: Opener, *, name: str = "") -> Part:
    form = FORMATS[content]
    is_json = form in {TranscriptFormat.JSON, TranscriptFormat.JSON_V2}
    ending = "json" if is_json else str(form)
    return Part(
        name or str(content),
        f"{job.job_id}.{ending}",
        _JSON if is_json else _TEXT,
        lambda: rendered(store, job, open_renderer(form, job)),
    )


def media_part(job: Job, path: Path) -> Part:
    name = job.media.file_name or f"{job.job_id}.media"
    return Part(str(Content.DATA), name, "application/octet-stream", lambda: _read(path))


def has_transcript(job: Job) -> bool:
    return job.state is JobState.SUCCEEDED


async def rendered(store: JobStore, job: Job, renderer: Renderer) -> AsyncIterator[bytes]:
    """The pieces of the rendering of a SUCCEEDED job, in order."""
    yield renderer.start().encode()
    async for segment in store.segments(job.job_id):
        yield renderer.feed(segment).encode()
    yield renderer.finish().encode()


async def multipart(parts: Sequence[Part], boundary: str) -> AsyncIterator[bytes]:
    """multipart/form-data (RFC 7578) of any parts, or of none."""
    for part in parts:
        disposition = f'form-data; name="{_quoted(part.name)}"; filename="{_quoted(part.file_name)}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {part.content_type}\r\n\r\n"
        yield head.encode()
        async for chunk in part.chunks():
            yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _quoted(text: str) -> str:
    """As browsers write it (WHATWG, multipart/form-data encoding algorithm)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


async def _read(path: Path) -> AsyncIterator[bytes]:
    """Opened for each piece, so that nothing is left open wherever a delivery is cancelled."""
    offset = 0
    while piece := await asyncio.to_thread(_piece, path, offset):
        yield piece
        offset += len(piece)


def _piece(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PIECE_BYTES)
