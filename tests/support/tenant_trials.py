"""Tries every call with every kind of credentials, and what two tenants share without knowing: ids, media, engines."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Final
from uuid import uuid4

from stenod.v1 import media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from tests.support.tenants import CALLS, CASES, OTHER, OWNER, READ, SUBMIT, UPLOAD_BYTES, Answer, Assets, Case, Town

SHOWN_TO_THE_OWNER: Final = ("ListJobs", "GetCapacity", "WatchCapacity")


@dataclass(slots=True)
class Row:
    """A call: the code for each kind of credentials, and what should not be."""

    call: str
    codes: dict[str, str] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)

    def expect(self, column: str, answer: Answer, code: str) -> None:
        self.codes[column] = answer.code
        if answer.code != code:
            self.deviations.append(f"{self.call}, {column}: {answer.code} {answer.reason}, not {code}")

    def expect_that(self, holds: bool, problem: str) -> None:  # noqa: FBT001  an assertion
        if not holds:
            self.deviations.append(f"{self.call}: {problem}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What cannot be gone on with is a deviation too."""
        try:
            yield
        except AssertionError as error:
            self.deviations.append(f"{self.call}: {error}")


async def try_every_call(town: Town) -> AsyncIterator[Row]:
    """A row for each call of the service."""
    for call in CALLS:
        row = Row(call)
        with row.watched():
            assert call in CASES, "no case says what it needs"
            await _try_with_all(town, row, CASES[call])
        yield row


async def _try_with_all(town: Town, row: Row, case: Case) -> None:
    assets = await town.furnish()
    before = await _possessions(town, assets)
    await _try_as_other(town, row, case, assets)
    await _try_without_scope(town, row, case, assets)
    for column, authorization in town.strangers().items():
        row.expect(column, await town.call(row.call, authorization, case.requests(assets)), "UNAUTHENTICATED")
    row.expect_that(await _possessions(town, assets) == before, "refused calls have changed something")
    await town.clear(assets)
    await _try_as_owner(town, row, case)


async def _try_as_other(town: Town, row: Row, case: Case, assets: Assets) -> None:
    """The other tenant learns nothing of the owner's things: not even that they are there."""
    made_up = Assets(*(uuid4().hex for _ in fields(Assets)))
    others = {
        "other's key": town.key(OTHER),
        "other's token": town.token(OTHER),
        "other's admin": town.key(OTHER, "admin"),
    }
    for column, authorization in others.items():
        answer = await town.call(row.call, authorization, case.requests(assets))
        row.expect(column, answer, "NOT_FOUND" if case.names_a_thing else "OK")
        sees_the_node = column == "other's admin" and "Capacity" in row.call
        row.expect_that(sees_the_node or not answer.shows(assets.ids()), f"{column} is shown what is another's")
        unknown = await town.call(row.call, authorization, case.requests(made_up))
        row.expect_that(
            (answer.code, answer.reason, _nameless(answer.message, assets))
            == (unknown.code, unknown.reason, _nameless(unknown.message, made_up)),
            f"{column} can tell another's things from none: {answer.message} / {unknown.message}",
        )


async def _try_without_scope(town: Town, row: Row, case: Case, assets: Assets) -> None:
    wrong = SUBMIT if case.scope == READ else READ
    for column, authorization in {
        "wrong scope, key": town.key(OWNER, wrong),
        "wrong scope, token": town.token(OWNER, wrong),
        "no scope, token": town.token(OWNER, ""),
    }.items():
        row.expect(column, await town.call(row.call, authorization, case.requests(assets)), "PERMISSION_DENIED")


async def _try_as_owner(town: Town, row: Row, case: Case) -> None:
    """By each kind of credentials that gives just the scope."""
    for column, authorization in {
        "own key": town.key(OWNER, case.scope),
        "own token": town.token(OWNER, case.scope),
        "own token, ES256": town.token(OWNER, case.scope, kid="two", algorithm="ES256"),
        "own admin": town.key(OWNER, "admin"),
    }.items():
        assets = await town.furnish()
        answer = await town.call(row.call, authorization, case.requests(assets))
        row.expect(column, answer, "OK")
        is_shown = bool(answer.shows(assets.ids())) or row.call not in SHOWN_TO_THE_OWNER
        row.expect_that(is_shown, f"{column} is not shown what is its own")
        await town.clear(assets)


async def _possessions(town: Town, assets: Assets) -> object:
    return [
        [
            *((job.job_id, job.state) for answer in seen[:1] for job in answer.responses[0].jobs),
            *((answer.code, [response.upload.offset_bytes for response in answer.responses]) for answer in seen[1:]),
        ]
        for seen in [await town.state(tenant, assets) for tenant in (OWNER, OTHER)]
    ]


def _nameless(message: str, assets: Assets) -> str:
    for thing in assets.ids():
        message = message.replace(thing, "…")
    return message


async def try_what_is_shared(town: Town) -> AsyncIterator[Row]:
    """Request ids, transcripts kept for the same recording, ids of uploads, places in a list."""
    for trial in (_request_ids, _kept_transcripts, _upload_ids, _page_tokens):
        row = Row(trial.__name__.strip("_").replace("_", " "))
        with row.watched():
            await trial(town, row)
        yield row


async def _request_ids(town: Town, row: Row) -> None:
    owner, other, request_id = town.key(OWNER), town.key(OTHER), uuid4().hex
    first = await town.submit(owner, b"a recording", request_id)
    theirs = await town.submit(other, b"another one", request_id)
    row.expect_that(first.job_id != theirs.job_id, "two tenants share a job")
    row.expect_that(
        (await town.submit(owner, b"a recording", request_id)).job_id == first.job_id, "the owner's is gone"
    )
    row.expect_that(
        (await town.submit(other, b"another one", request_id)).job_id == theirs.job_id, "the other's is gone"
    )


async def _kept_transcripts(town: Town, row: Row) -> None:
    media = uuid4().bytes
    await town.transcribe(town.key(OWNER), media)
    again = await town.transcribe(town.key(OWNER), media)
    row.expect_that(again.transcript_info.from_cache, "the owner's own transcript is not used again")
    windows = len(town.engine.requests)
    theirs = await town.transcribe(town.key(OTHER), media)
    row.expect_that(not theirs.transcript_info.from_cache, "the other gets the owner's transcript")
    row.expect_that(len(town.engine.requests) > windows, "the other's recording is not recognised")


async def _upload_ids(town: Town, row: Row) -> None:
    """The other may have an upload of the same name; it is another one."""
    assets = await town.furnish()
    metadata = media_pb2.UploadMetadata(upload_id=assets.complete, size_bytes=UPLOAD_BYTES)
    theirs = [pb.UploadMediaRequest(metadata=metadata), pb.UploadMediaRequest(chunk=b"x" * 10)]
    row.expect_that((await town.call("UploadMedia", town.key(OTHER), theirs)).code == "OK", "the name is taken")
    wanted = pb.GetUploadRequest(upload_id=assets.complete)
    offsets = [
        (await town.call("GetUpload", town.key(tenant), [wanted])).responses[0].upload.offset_bytes
        for tenant in (OWNER, OTHER)
    ]
    row.expect_that(offsets == [UPLOAD_BYTES, 10], f"the uploads are one: {offsets}")
    await town.clear(assets)


async def _page_tokens(town: Town, row: Row) -> None:
    """A place in the owner's list is no way into it."""
    kept = [await town.furnish(), await town.furnish()]
    page = await town.call("ListJobs", town.key(OWNER), [pb.ListJobsRequest(page_size=1)])
    token = page.responses[0].next_page_token
    row.expect_that(bool(token), "the owner's list has one page")
    theirs = await town.call("ListJobs", town.key(OTHER), [pb.ListJobsRequest(page_token=token)])
    things = tuple(thing for assets in kept for thing in assets.ids())
    row.expect_that(theirs.code == "OK" and not theirs.shows(things), "the other reads on in the owner's list")
    for assets in kept:
        await town.clear(assets)
