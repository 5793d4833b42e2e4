"""Two tenants at one node: everything that one may try to get at the other's, call by call.

The calls are those of the service descriptor. What each needs and does stands here once more, and not as the server has
it: a call without a case, or one that wants less than it says here, is a deviation.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.app.clock import SystemClock
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from tests.support.credentials import Issuer, ec_key, make_key, rsa_key, running_issuer
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node

OWNER: Final = "newsroom"
OTHER: Final = "archive"
READ: Final = "read"
SUBMIT: Final = "submit"
UPLOAD_BYTES: Final = 1000

Metadata = tuple[tuple[str, str], ...]
Requests = Callable[["Assets"], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Assets:
    """What the owner has at the node."""

    ended: str  # a job with a transcript
    running: str  # a job that stays in the recogniser
    begun: str  # an upload that goes on at byte 1
    complete: str  # an upload that waits for its job

    def ids(self) -> tuple[str, ...]:
        return (self.ended, self.running, self.begun, self.complete)


@dataclass(frozen=True, slots=True)
class Case:
    """A call: the scope it needs, its requests, and whether they name something of the owner's."""

    scope: str
    requests: Requests
    names_a_thing: bool = True


def _upload(assets: Assets) -> list[Message]:
    metadata = media_pb2.UploadMetadata(upload_id=assets.begun, offset_bytes=1, size_bytes=UPLOAD_BYTES)
    return [pb.UploadMediaRequest(metadata=metadata), pb.UploadMediaRequest(chunk=bytes(UPLOAD_BYTES - 1))]


def _media(assets: Assets) -> media_pb2.MediaSource:
    return media_pb2.MediaSource(upload_id=assets.complete)


CASES: Final[Mapping[str, Case]] = {
    "SubmitJob": Case(SUBMIT, lambda a: [pb.SubmitJobRequest(media=_media(a))]),
    "GetJob": Case(READ, lambda a: [pb.GetJobRequest(job_id=a.ended)]),
    "WatchJob": Case(READ, lambda a: [pb.WatchJobRequest(job_id=a.running, include_segments=True)]),
    "ListJobs": Case(READ, lambda _: [pb.ListJobsRequest()], names_a_thing=False),
    "CancelJob": Case(SUBMIT, lambda a: [pb.CancelJobRequest(job_id=a.running)]),
    "DeleteJob": Case(SUBMIT, lambda a: [pb.DeleteJobRequest(job_id=a.running, force=True)]),
    "Transcribe": Case(SUBMIT, lambda a: [pb.TranscribeRequest(media=_media(a))]),
    "GetTranscript": Case(READ, lambda a: [pb.GetTranscriptRequest(job_id=a.ended)]),
    "UploadMedia": Case(SUBMIT, _upload),
    "GetUpload": Case(SUBMIT, lambda a: [pb.GetUploadRequest(upload_id=a.begun)]),
    "GetCapacity": Case(READ, lambda _: [pb.GetCapacityRequest()], names_a_thing=False),
    "WatchCapacity": Case(READ, lambda _: [pb.WatchCapacityRequest()], names_a_thing=False),
    "ListModels": Case(READ, lambda _: [pb.ListModelsRequest()], names_a_thing=False),
}
CALLS: Final = tuple(method.name for method in pb.DESCRIPTOR.services_by_name["TranscriptionService"].methods)


class HurryingClock(SystemClock):
    """Runs ahead when it is told to, so that guesses at credentials are not slowed down."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to: `OK`, or the status code and the reason."""

    code: str
    reason: str = ""
    message: str = ""
    responses: tuple[Any, ...] = ()  # messages

    def shows(self, things: tuple[str, ...]) -> list[str]:
        """Those of the things that the responses tell of."""
        said = b"".join(response.SerializeToString() for response in self.responses)
        return [thing for thing in things if thing.encode() in said]


@dataclass(slots=True)
class Town:
    """A node, its two tenants and what callers may show. Each credential is the value of `authorization`."""

    address: str
    channel: grpc.aio.Channel
    engine: FakeEngine
    clock: HurryingClock
    issuer: Issuer
    keys: Mapping[tuple[str, str], str]  # by tenant and scopes

    def key(self, tenant: str, scopes: str = "read submit") -> str:
        return f"Bearer {self.keys[tenant, scopes]}"

    def token(self, tenant: str | None = OWNER, scopes: str = "read submit", **changes: Any) -> str:
        scope = " ".join(f"stenod:{each}" for each in scopes.split())
        return f"Bearer {self.issuer.token(tenant=tenant, scope=scope, **changes)}"

    def strangers(self) -> dict[str, str]:
        """What nobody is let in with."""
        now = int(datetime.now(UTC).timestamp())
        key = self.keys[OWNER, "read submit"]
        return {
            "none": "",
            "unknown key": f"Bearer stn_nobody00_{'x' * 43}",
            "wrong secret": f"Bearer {key[:-4]}{'AAAA' if key[-4:] != 'AAAA' else 'BBBB'}",
            "expired key": f"Bearer {self.keys[OWNER, 'expired']}",
            "key as basic": f"Basic {key}",
            "expired token": self.token(iat=now - 7200, exp=now - 3600),
            "wrongly signed": self.token(key=rsa_key("forger")),
            "unsigned": f"Bearer {self.issuer.unsigned(tenant=OWNER)}",
            "HS256, public key": f"Bearer {self.issuer.forged(tenant=OWNER)}",
            "other issuer": self.token(iss="https://issuer.example.org"),
            "other audience": self.token(aud="another service"),
            "token without tenant": self.token(tenant=None),
        }

    async def call(self, name: str, authorization: str, requests: Sequence[Message]) -> Answer:
        """The answer; of a stream without an end its first message."""
        self.clock.ahead_s += 1.0  # a wrong guess a second is as many as anybody has
        metadata: Metadata = (("authorization", authorization),) if authorization else ()
        method = getattr(TranscriptionServiceStub(self.channel), name)  # type: ignore[no-untyped-call]
        given = iter(requests) if name == "UploadMedia" else requests[0]
        call = method(given, metadata=metadata, timeout=20.0)
        try:
            if isinstance(call, grpc.aio.UnaryStreamCall):
                return Answer("OK", responses=(await _first(call),))
            return Answer("OK", responses=(await call,))
        except grpc.aio.AioRpcError as error:
            return _answer(error)
        finally:
            call.cancel()

    async def furnish(self) -> Assets:
        """New things of the owner's. What is submitted after them is recognised at once."""
        held, self.engine.gate = asyncio.Event(), None
        owner = self.key(OWNER)
        ended = await self.transcribe(owner, uuid4().bytes)
        waiting = self.engine.in_flight
        self.engine.gate = held
        running = await self.submit(owner, uuid4().bytes)
        await eventually(lambda: self.engine.in_flight > waiting)
        self.engine.gate = None
        begun, complete = uuid4().hex, uuid4().hex
        await self._send(owner, begun, 1)
        await self._send(owner, complete, UPLOAD_BYTES)
        return Assets(ended.job_id, running.job_id, begun, complete)

    async def clear(self, assets: Assets) -> None:
        for job_id in (assets.ended, assets.running):
            await self.call("DeleteJob", self.key(OWNER), [pb.DeleteJobRequest(job_id=job_id, force=True)])

    async def submit(self, authorization: str, media: bytes, request_id: str = "") -> job_pb2.Job:
        request = pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=media), request_id=request_id)
        job: job_pb2.Job = _only(await self.call("SubmitJob", authorization, [request])).job
        return job

    async def transcribe(self, authorization: str, media: bytes) -> job_pb2.Job:
        request = pb.TranscribeRequest(media=media_pb2.MediaSource(inline=media))
        job: job_pb2.Job = _only(await self.call("Transcribe", authorization, [request])).job
        return job

    async def state(self, tenant: str, assets: Assets) -> list[Answer]:
        """All that a tenant has, to see whether a call that was refused has changed it."""
        key = self.key(tenant)
        seen = [await self.call("ListJobs", key, [pb.ListJobsRequest()])]
        wanted = [pb.GetUploadRequest(upload_id=upload_id) for upload_id in (assets.begun, assets.complete)]
        return [*seen, *[await self.call("GetUpload", key, [request]) for request in wanted]]

    async def _send(self, authorization: str, upload_id: str, size_bytes: int) -> None:
        """An upload of which so many of its bytes are there."""
        metadata = media_pb2.UploadMetadata(upload_id=upload_id, size_bytes=UPLOAD_BYTES)
        pieces = [pb.UploadMediaRequest(metadata=metadata), pb.UploadMediaRequest(chunk=os.urandom(size_bytes))]
        _only(await self.call("UploadMedia", authorization, pieces))


@asynccontextmanager
async def two_tenants(directory: Path) -> AsyncIterator[Town]:
    """A node with a result cache, which knows its callers by keys and by tokens."""
    access_file = directory / "access.toml"
    wanted = [(tenant, scopes) for tenant in (OWNER, OTHER) for scopes in (READ, SUBMIT, "read submit", "admin")]
    keys = {(tenant, scopes): make_key(access_file, tenant, scopes.split()) for tenant, scopes in wanted}
    yesterday = datetime.now(UTC) - timedelta(days=1)
    keys[OWNER, "expired"] = make_key(access_file, OWNER, expires=yesterday)
    # With a revision, or its transcripts are not used again.
    engine, clock = FakeEngine([replace(FAKE_PROFILE, revision="r1")]), HurryingClock()
    async with running_issuer() as issuer:
        issuer.publish(one=rsa_key("one"), two=ec_key("two"))
        settings: dict[str, Any] = {"access_file": access_file, "cache_ttl_s": 3600, "parallel": 64, "elastic": False}
        front_end = ScriptedFrontEnd(make_windows(1))
        async with (
            fake_node(directory, engine, front_end, clock=clock, **settings, **issuer.settings) as node,
            grpc.aio.insecure_channel(node.address) as channel,
        ):
            yield Town(node.address, channel, engine, clock, issuer, keys)


def _only(answer: Answer) -> Any:
    assert answer.code == "OK", answer
    return answer.responses[0]


async def _first(call: Any) -> Message:
    message: Message = await anext(aiter(call))
    return message


def _answer(error: grpc.aio.AioRpcError) -> Answer:
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status.ParseFromString(value)
    for detail in status.details:
        detail.Unpack(info)
    return Answer(error.code().name, info.reason, error.details() or "")
