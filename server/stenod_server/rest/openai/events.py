"""Server-sent events. What the deltas say, joined, is the text of the last event."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from stenod_server.domain.transcript import Segment
from stenod_server.errors import StenodError
from stenod_server.rest.openai.dialect import error_body
from stenod_server.rest.openai.request import ResponseFormat
from stenod_server.rest.openai.responses import diarized_segment, usage
from stenod_server.scheduler.attendance import Attended
from stenod_server.scheduler.scheduler import Scheduler

_DELTA: Final = "transcript.text.delta"


async def transcript_events(
    scheduler: Scheduler, attended: Attended, response_format: ResponseFormat
) -> AsyncIterator[bytes]:
    """Text comes while the job runs; with speakers, who are known only then, when it has ended. What goes wrong is an
    event too: the status has been sent by then.
    """
    has_speakers = response_format is ResponseFormat.DIARIZED_JSON
    said: list[str] = []
    try:
        async for segment in _at_the_end(scheduler, attended) if has_speakers else _at_once(scheduler, attended):
            delta = f"{' ' if said else ''}{segment.text}"
            said.append(delta)
            if has_speakers:
                event = diarized_segment(segment)
                yield _event({"type": _DELTA, "delta": delta, "segment_id": event["id"]})
                yield _event(event)
            else:
                yield _event({"type": _DELTA, "delta": delta})
        info = (await attended.wait()).info
        assert info  # noqa: S101  a job that succeeded has it
        yield _event({"type": "transcript.text.done", "text": "".join(said), "usage": usage(info)})
    except StenodError as error:
        yield _event(error_body(error), name="error")


async def _at_once(scheduler: Scheduler, attended: Attended) -> AsyncIterator[Segment]:
    async for update in scheduler.watches.watch(attended.job.tenant, attended.job.job_id):
        for segment in update.segments:
            yield segment


async def _at_the_end(scheduler: Scheduler, attended: Attended) -> AsyncIterator[Segment]:
    job = await attended.wait()
    async for segment in scheduler.segments(job):
        yield segment


def _event(data: dict[str, Any], *, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
