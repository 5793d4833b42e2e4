"""Fuzzing the API: hostile messages for every call of the service, over a real channel, as raw bytes.

Nothing is known here of a call but its descriptor, so a new one is tried from the day it is there.
"""

import asyncio
import math
import random
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from stenod.v1 import transcription_service_pb2 as pb
from tests.support.fuzz_media import Outcome, Seed, mutated

HANG_S: Final = 45.0
ANSWER_LOST_TRIES: Final = 40
SERVICE: Final = pb.DESCRIPTOR.services_by_name["TranscriptionService"]
# Whatever comes in, one of these goes out: the caller's fault, and named.
CALLERS_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_MAX_DEPTH: Final = 6
_READ_ANSWERS: Final = 3  # of a stream that has no end
_STRINGS: Final = (
    "", "\0", "a\0b", "../../etc/passwd", "a" * 300, "ß" * 5000, "😀" * 70, "\u202e\ufeff", "%s%n", "' OR 1=1 --", "en",
    "auto", "fake", "txt", "-1", "file:///etc/passwd", "http://127.0.0.1:1/", "http://[::1", "s3://", "s3://a/\0",
    "gs://a", "http://a:b@0/", "https://169.254.169.254/", "\n\r\t", "9" * 400, "{}", "job", "\x7f\x1b[2J",
)  # fmt: skip
_INTEGERS: Final = (0, 1, 2, 3, 7, -1, 100, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS: Final = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-300, 1e300, math.nan, math.inf, -math.inf, 86_400.0)
_INTEGER_BITS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (32, True),
    FieldDescriptor.CPPTYPE_INT64: (64, True),
    FieldDescriptor.CPPTYPE_UINT32: (32, False),
    FieldDescriptor.CPPTYPE_UINT64: (64, False),
}


@dataclass(slots=True)
class Messages:
    """Makes messages of any type; the same ones for the same state of `rng`. `names` are ids that exist."""

    rng: random.Random
    media: Sequence[Seed]
    names: list[str] = field(default_factory=list)

    def of(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """Few or many fields, each of a value that is usual, extreme or nonsense."""
        message = message_factory.GetMessageClass(descriptor)()
        chance = self.rng.choice((0.15, 0.4, 0.8))
        for one in descriptor.fields:
            if depth < _MAX_DEPTH and (one.name in {"media", "source", "job_id"} or self.rng.random() < chance):
                self._fill(message, one, depth)
        return message

    def raw(self, method: MethodDescriptor) -> bytes:
        """A request as it goes over the wire: whole, damaged, or nothing of the kind."""
        kind = self.rng.random()
        if kind < 0.1:
            return self.rng.randbytes(self.rng.randrange(200))
        data = self.of(method.input_type).SerializeToString()
        return data if kind < 0.7 or not data else mutated(self.rng, data, data)

    def _fill(self, message: Any, one: FieldDescriptor, depth: int) -> None:
        if one.message_type is not None and one.message_type.GetOptions().map_entry:
            return
        if not one.is_repeated:
            self._set(message, one, depth)
            return
        values = getattr(message, one.name)
        for _ in range(self.rng.choice((1, 2, 5, 40 if depth else 5, 2000 if one.message_type is None else 20))):
            if one.message_type is None:
                values.append(self._scalar(one))
            else:
                values.add().CopyFrom(self.of(one.message_type, depth + 1))

    def _set(self, message: Any, one: FieldDescriptor, depth: int) -> None:
        if one.message_type is None:
            setattr(message, one.name, self._scalar(one))
        else:
            getattr(message, one.name).CopyFrom(self.of(one.message_type, depth + 1))

    def _scalar(self, one: FieldDescriptor) -> object:
        rng = self.rng
        if one.cpp_type in _INTEGER_BITS:
            bits, is_signed = _INTEGER_BITS[one.cpp_type]
            value = rng.choice((*_INTEGERS, rng.getrandbits(64))) & ((1 << bits) - 1)
            return value - (1 << bits) if is_signed and value >> (bits - 1) else value
        if one.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        if one.enum_type is not None:
            return rng.choice((*(value.number for value in one.enum_type.values), 99, -1, 2**31 - 1))
        if one.cpp_type in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
            return rng.choice(_FLOATS)
        if one.type == FieldDescriptor.TYPE_BYTES:
            return self._bytes()
        return self._string()

    def _bytes(self) -> bytes:
        one, other = self.rng.choice(self.media), self.rng.choice(self.media)
        return self.rng.choice((b"", one.data, mutated(self.rng, one.data, other.data), self.rng.randbytes(100)))

    def _string(self) -> str:
        if self.names and self.rng.random() < 0.4:
            return self.rng.choice(self.names[-50:])
        text = "".join(chr(self.rng.randrange(0x20, 0xD800)) for _ in range(self.rng.randrange(20)))
        return self.rng.choice((*_STRINGS, text))


@dataclass(slots=True)
class Caller:
    """Calls the service, remembers the ids it is told."""

    channel: Any  # typed by messages, which these are not: they are bytes
    messages: Messages
    hang_s: float = HANG_S

    async def call(self, method: MethodDescriptor) -> tuple[list[bytes], Outcome]:
        """One call of hostile requests; what was sent, and what came of it."""
        count = self.messages.rng.randrange(6) if method.client_streaming else 1
        requests = [self.messages.raw(method) for _ in range(count)]
        for _ in range(ANSWER_LOST_TRIES):
            outcome = await self.send(method, requests)
            if outcome.kind != "LOST_BY_CLIENT":
                return requests, outcome
        return requests, Outcome("LOST_BY_CLIENT", outcome.seconds, "the answer never arrived")

    async def send(self, method: MethodDescriptor, requests: Sequence[bytes]) -> Outcome:
        started_s = monotonic()
        try:
            async with asyncio.timeout(self.hang_s):
                answers = await self._answers(method, requests)
            kind, fault = "OK", ""
            for answer in answers:
                self._learn(answer)
        except TimeoutError:
            kind, fault = "HANG", f"no answer after {self.hang_s:g} s"
        except grpc.aio.AioRpcError as error:
            kind, fault = _judged(error)
        return Outcome(kind, monotonic() - started_s, fault)

    async def _answers(self, method: MethodDescriptor, requests: Sequence[bytes]) -> list[Message]:
        path = f"/{SERVICE.full_name}/{method.name}"
        read = message_factory.GetMessageClass(method.output_type).FromString
        if method.client_streaming:
            return [await self.channel.stream_unary(path, None, read)(_each(requests))]
        [request] = requests
        if not method.server_streaming:
            return [await self.channel.unary_unary(path, None, read)(request)]
        answers: list[Message] = []
        call = self.channel.unary_stream(path, None, read)(request)
        try:
            async for answer in call:
                answers.append(answer)
                if len(answers) == _READ_ANSWERS or method.name == "WatchCapacity":
                    break
        finally:
            call.cancel()
        return answers

    def _learn(self, answer: Any) -> None:
        for holder, name in (("job", "job_id"), ("upload", "upload_id")):
            if holder in answer.DESCRIPTOR.fields_by_name:
                self.messages.names += [getattr(getattr(answer, holder), name)] * 2


async def _each(requests: Sequence[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


def _judged(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """The reason, and what is wrong with this answer."""
    code, reason = error.code(), _reason(error)
    if "Received message larger than max" in (error.details() or ""):  # refused by gRPC itself, unread
        return "MESSAGE_TOO_LARGE", ""
    if error.details() == "Internal error from Core":
        # Not of the node: grpc.aio's client wrote to a call that had been answered, and lost the answer.
        return "LOST_BY_CLIENT", "" if not error.trailing_metadata() else "INTERNAL from gRPC"
    if code not in CALLERS_FAULTS:
        return code.name, f"{code.name} {reason}: {error.details()}"
    return reason or code.name, "" if reason else f"{code.name} without an ErrorInfo: {error.details()}"


def _reason(error: grpc.aio.AioRpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return ""


def packed(requests: Sequence[bytes]) -> bytes:
    """The requests of a call as a file."""
    return b"".join(struct.pack(">I", len(request)) + request for request in requests)


def unpacked(data: bytes) -> list[bytes]:
    requests = []
    while data:
        [length] = struct.unpack_from(">I", data)
        requests.append(data[4 : 4 + length])
        data = data[4 + length :]
    return requests
