"""What a worker and the server say to each other over two pipes. Frames: kind (1 byte), length (4), payload.

JSON and fixed structs, never pickle: a worker reads hostile files, and the server must not run what it sends.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from stenod_server.domain.audio import ChunkLengths
from stenod_server.errors import DecoderDied, LimitExceeded, NoAudio, StenodError, UnsupportedMedia
from stenod_server.ports import AudioProgress, AudioSummary, Int16Audio, Window, WindowPlan

HEADER: Final = struct.Struct("<cI")
PIPE_BYTES: Final = 1024 * 1024  # a window goes in one piece, and wakes the server once; what Linux allows everybody
MAX_PAYLOAD_BYTES: Final = 64 * 1024**2  # a window of half an hour; more is not from a sane worker
_WINDOW: Final = struct.Struct("<IIqqq")  # index, channel, start, keep start, keep end
_PROGRESS: Final = struct.Struct("<qq")

Item = Window | AudioProgress | AudioSummary
_PLAIN_FAILURES: Final = {kind.__name__: kind for kind in (UnsupportedMedia, NoAudio, DecoderDied)}


class MalformedMessage(ValueError):
    """The worker does not keep to the protocol: it is broken, or somebody else speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker is started with; see `pool.AudioPoolSettings`."""

    vad_path: str
    parent_pid: int
    nice: int
    memory_limit_bytes: int
    cpu_limit_s: float

    def to_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Self:
        return cls(**json.loads(argument))


def encode_request(path: Path, plan: WindowPlan) -> bytes:
    """One line for the worker's standard input."""
    return json.dumps({"path": str(path), "plan": asdict(plan)}).encode() + b"\n"


def decode_request(line: bytes) -> tuple[Path, WindowPlan]:
    raw = json.loads(line)
    plan = {**raw["plan"], "chunks": ChunkLengths(**raw["plan"]["chunks"])}
    return Path(raw["path"]), WindowPlan(**plan)


def encode(item: Item | StenodError) -> tuple[bytes, Int16Audio | None]:
    """The frame up to the audio, and the audio that follows it: a megabyte is not copied to be prefixed."""
    if isinstance(item, Window):
        meta = _WINDOW.pack(
            item.index, item.channel, item.start_samples, item.keep_start_samples, item.keep_end_samples
        )
        return HEADER.pack(b"W", len(meta) + item.audio.nbytes) + meta, np.ascontiguousarray(item.audio)
    if isinstance(item, AudioProgress):
        return _frame(b"P", _PROGRESS.pack(item.decoded_samples, item.estimated_samples)), None
    if isinstance(item, AudioSummary):
        return _frame(b"S", json.dumps(asdict(item)).encode()), None
    return _frame(b"F", json.dumps(_failure_fields(item)).encode()), None


def decode(kind: bytes, payload: memoryview) -> Item:
    """The item of a frame; raises the error it carries. Raises MalformedMessage for anything else."""
    try:
        if kind == b"W":
            index, channel, start, keep_start, keep_end = _WINDOW.unpack_from(payload)
            audio = np.frombuffer(payload, np.int16, offset=_WINDOW.size)
            return Window(index, start, audio, keep_start, keep_end, channel)
        if kind == b"P":
            return AudioProgress(*_PROGRESS.unpack(payload))
        if kind == b"S":
            return AudioSummary(**json.loads(bytes(payload)))
        failure = _failure(json.loads(bytes(payload))) if kind == b"F" else None
    except (struct.error, ValueError, TypeError, LookupError) as exc:
        message = f"a frame of kind {kind!r} cannot be read"
        raise MalformedMessage(message) from exc
    if failure is None:
        message = f"a frame of unknown kind {kind!r}"
        raise MalformedMessage(message)
    raise failure


def _frame(kind: bytes, payload: bytes) -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def _failure_fields(error: StenodError) -> dict[str, object]:
    return {"kind": type(error).__name__, "message": error.message, "metadata": dict(error.metadata)}


def _failure(raw: Mapping[str, object]) -> StenodError:
    message, metadata = str(raw["message"]), raw["metadata"]
    if raw["kind"] == LimitExceeded.__name__ and isinstance(metadata, dict):
        error = LimitExceeded(metadata["field"], limit=metadata["limit"], allowed=float(metadata["allowed"]))
        error.message, error.args = message, (message,)  # it told the actual value as well
        return error
    return _PLAIN_FAILURES[str(raw["kind"])](message)
