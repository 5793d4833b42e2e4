"""A form with a recording in it: its fields, and the recording in the blob store, in whichever order they came."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from stenod_server.domain.job import Media
from stenod_server.errors import InvalidField
from stenod_server.rest.multipart import MAX_FIELDS_BYTES, Form
from stenod_server.scheduler.intake import Intake, SizeLimit


@dataclass(slots=True)
class ReceivedForm:
    """`fields` in their order, repeated ones too. Whoever submits `media` sets `is_submitted`; else it is discarded."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    media: Media | None = None
    is_submitted: bool = False

    def one(self, name: str) -> str | None:
        """The value of a field that may be given once. Raises InvalidField."""
        values = self.all(name)
        if len(values) > 1:
            raise InvalidField(name, "is given more than once")
        return values[0] if values else None

    def all(self, *names: str) -> Sequence[str]:
        return [value for name, value in self.fields if name in names]


@asynccontextmanager
async def receive_form(
    request: Request,
    intake: Intake,
    *,
    media_field: str,
    limit: SizeLimit | None = None,
    max_fields_bytes: int = MAX_FIELDS_BYTES,
) -> AsyncIterator[ReceivedForm]:
    """Read the whole form. A field other than `media_field` is a text, also where a client sends it as a file.

    Raises InvalidField, LimitExceeded, and what `Intake.store` raises.
    """
    received = ReceivedForm()
    try:
        form = Form(request, max_fields_bytes=max_fields_bytes)
        async for part in form.parts():
            if part.name != media_field:
                received.fields.append((part.name, await form.text(part)))
                continue
            if received.media is not None:
                raise InvalidField(media_field, "is given more than once")
            received.media = await intake.store(part.chunks(), field=media_field, file_name=part.file_name, limit=limit)
        yield received
    finally:
        if received.media is not None and not received.is_submitted:
            await intake.discard(received.media)
