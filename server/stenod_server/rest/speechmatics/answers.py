"""What the operations of this dialect answer, and with which status; said once for the code's document."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from stenod_server.domain.job import Job, Media
from stenod_server.rest.speechmatics.dialect import ErrorBody
from stenod_server.scheduler.scheduler import Scheduler
from stenod_server.text.render import Renderer

_REFUSALS: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "A field is wrong, unknown or not built yet; `detail` names it",
    HTTPStatus.UNAUTHORIZED: "No credentials, or wrong ones",
    HTTPStatus.FORBIDDEN: "The caller may not do this",
    HTTPStatus.NOT_FOUND: "No such job, or it has no such thing (yet)",
    HTTPStatus.REQUEST_TIMEOUT: "The form stopped coming",
    HTTPStatus.GONE: "Its retention is over",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The recording is larger than `max_media_bytes`",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter of the list is wrong",
    HTTPStatus.LOCKED: "The job runs; `force` deletes it all the same",
    HTTPStatus.TOO_MANY_REQUESTS: "A quota of the caller is used up",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An internal error; its id is in the server's log",
    HTTPStatus.NOT_IMPLEMENTED: "Not implemented",
    HTTPStatus.SERVICE_UNAVAILABLE: "The engines are not free, or the node cannot answer now",
}
_OF_ANY: Final = (401, 403, 429, 500, 503)


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: those of every call, and these."""
    return {code: {"model": ErrorBody, "description": _REFUSALS[code]} for code in sorted({*_OF_ANY, *codes})}


class Tracking(BaseModel):
    """What the caller calls a job."""

    title: str | None = None
    reference: str | None = None
    tags: list[str] | None = None


class JobError(BaseModel):
    """Why a job was rejected."""

    timestamp: str
    message: str


class JobDetails(BaseModel):
    """A job. `duration` is in whole seconds, an estimate while it runs and 0 before."""

    id: str
    status: Literal["running", "done", "rejected", "deleted"]
    created_at: str
    data_name: str
    duration: int
    config: dict[str, Any] | None = None
    lang: str | None = None
    errors: list[JobError] | None = None
    request_id: str | None = None


class OneJob(BaseModel):
    """`GET` and `DELETE` of a job."""

    job: JobDetails


class Jobs(BaseModel):
    """The newest first."""

    jobs: list[JobDetails]


class Accepted(BaseModel):
    """`id` alone, unless it was waited for; then also how far it is, and a transcript under the name of its format."""

    id: str
    status: str | None = None
    errors: list[JobError] | None = None


class ActiveJob(BaseModel):
    """A job that holds engines."""

    job_id: str
    parallel_engines: int


class Engines(BaseModel):
    """How busy the node is."""

    active_jobs: list[ActiveJob]
    max_engines: int
    unused_engines: int


class Recording(Response):
    """A job's media, which is kept while it is sent."""

    def __init__(self, media: AbstractAsyncContextManager[tuple[Media, Path]]) -> None:
        super().__init__()
        self._media = media

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._media as (media, path):
            name = media.file_name or "recording"
            answer = FileResponse(path, media_type="application/octet-stream", filename=name)
            await answer(scope, receive, send)


async def rendered(scheduler: Scheduler, job: Job, renderer: Renderer) -> AsyncIterator[str]:
    """The pieces of a transcript that say something."""
    if start := renderer.start():
        yield start
    async for segment in scheduler.segments(job):
        if piece := renderer.feed(segment):
            yield piece
    if end := renderer.finish():
        yield end
