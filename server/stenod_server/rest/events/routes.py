"""`POST /events`: an object store tells of objects that came, and each becomes a job."""

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from stenod_server.domain import job_rules
from stenod_server.domain.access import Scope
from stenod_server.errors import InvalidField
from stenod_server.rest.body import read_json
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.events.asked import Asked, Diarize, OutputForm, origin, submission
from stenod_server.rest.events.shapes import SCHEMA, CreatedObject, read_events
from stenod_server.rest.guide import DOOR, GuideDialect, GuideProblem
from stenod_server.rest.operation import operation
from stenod_server.rest.services import DialectOptions, Services

MAX_BODY_BYTES: Final = 1024 * 1024
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.REQUEST_TIMEOUT: {"model": GuideProblem, "description": "The body stopped coming"},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"model": GuideProblem, "description": "The body has more than 1 MiB"},
    HTTPStatus.UNPROCESSABLE_ENTITY: {
        "model": GuideProblem,
        "description": "No event of a known shape; or its bucket may not be read (setting fetch_buckets), or the place "
        "for the results not be written to (setting output_buckets); sending it again does not help",
    },
    **DOOR,
}


class EventParameters(BaseModel):
    """What is wanted of the objects of an event."""

    language: str = Field(
        "",
        pattern=job_rules.LANGUAGE_PATTERN,
        max_length=job_rules.MAX_LANGUAGE_CHARACTERS,
        description="BCP-47, or auto; found out where there is none",
    )
    model: str = Field("", max_length=128, description="A recogniser; none: by language")
    operating_point: Literal["", "standard", "enhanced"] = Field("", description="How thorough the recogniser is")
    diarization: Diarize = Field(Diarize.NONE, description="Who is told apart")
    output: str = Field(
        "",
        max_length=1024,
        description="Where results go: s3://BUCKET/PREFIX below a prefix of the setting output_buckets; {tenant} is "
        "the caller's. None: the setting event_output; where that is empty, too, they stay at the server",
    )
    format: list[OutputForm] = Field(
        [], max_length=8, description="What is written, repeatable; none: the setting event_formats"
    )


class EventJob(BaseModel):
    """A job, and the object that it is of. An event that is sent again gives the same jobs."""

    job_id: str
    uri: str


class EventsTaken(BaseModel):
    """`ignored`: how many of the events were not of a recording that came."""

    jobs: list[EventJob]
    ignored: int


def events(services: Services) -> APIRouter:
    router, dialect = APIRouter(tags=["Events"]), GuideDialect()

    @router.post(
        "/events",
        summary="Transcribe objects that came into a bucket (S3 event notifications, EventBridge, MinIO)",
        responses={200: {"model": EventsTaken}, **_REFUSALS},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}}},
    )
    @operation("Events", dialect, Scope.SUBMIT, changes=True)
    async def take(request: Request, parameters: Annotated[EventParameters, Query()]) -> Response:
        asked = _asked(parameters, services.options, caller(request).tenant)
        found = read_events(await read_json(request, max_bytes=MAX_BODY_BYTES))
        wanted = [created for created in found.created if not asked.is_result(created)]
        jobs = [await _submit(services, request, asked, created) for created in wanted]
        ignored = found.ignored + len(found.created) - len(wanted)
        return JSONResponse({"jobs": jobs, "ignored": ignored})

    return router


async def _submit(services: Services, request: Request, asked: Asked, created: CreatedObject) -> dict[str, str]:
    tenant = caller(request).tenant
    output = asked.notification(created) if asked.output else None
    if output:
        services.notifier.check("output", [output], tenant=tenant)
    job = await services.intake.submit(tenant, submission(created, asked.config(), output), origin(created))
    call_of(request).name_job(job.job_id)
    return {"job_id": job.job_id, "uri": created.uri}


def _asked(parameters: EventParameters, options: DialectOptions, tenant: str) -> Asked:
    return Asked(
        language=parameters.language,
        model=parameters.model,
        operating_point=parameters.operating_point,
        diarization=parameters.diarization,
        output=_place(parameters.output or options.event_output, tenant),
        forms=parameters.format or tuple(map(OutputForm, options.event_formats)),
    )


def _place(output: str, tenant: str) -> str:
    """Raises InvalidField for what is not in a bucket: no event makes the server call anybody."""
    place = output.replace("{tenant}", quote(tenant, safe=""))
    if place and not place.startswith(("s3://", "gs://", "az://")):
        raise InvalidField("output", "must begin with s3://, gs:// or az://")
    return place
