"""Server-sent events while the job runs. What the deltas say, joined, is the text of the last one."""

import json
from collections.abc import AsyncIterator
from typing import Any

from stenod_server.errors import StenodError
from stenod_server.rest.openai.dialect import error_body
from stenod_server.rest.openai.responses import usage
from stenod_server.scheduler.attendance import Attended
from stenod_server.scheduler.scheduler import Scheduler


async def transcript_events(scheduler: Scheduler, attended: Attended) -> AsyncIterator[bytes]:
    """What goes wrong is an event too: the status has been sent by then."""
    said: list[str] = []
    try:
        async for update in scheduler.watch(attended.job.tenant, attended.job.job_id):
            for segment in update.segments:
                delta = f"{' ' if said else ''}{segment.text}"
                said.append(delta)
                yield _event({"type": "transcript.text.delta", "delta": delta})
        info = (await attended.wait()).info
        assert info  # noqa: S101  a job that succeeded has it
        yield _event({"type": "transcript.text.done", "text": "".join(said), "usage": usage(info)})
    except StenodError as error:
        yield _event(error_body(error), name="error")


def _event(data: dict[str, Any], *, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
