"""Requests with forms, as a server hands them over: in pieces of any size."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from starlette.requests import Request

BOUNDARY = "--a-boundary"
Field = tuple[str, str | None, bytes]  # name, file name, value


def encoded(fields: Iterable[Field]) -> bytes:
    parts = []
    for name, file_name, value in fields:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
        head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: audio/wav\r\n\r\n"
        parts.append(head.encode() + value + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def request(body: bytes, cuts: Sequence[int] = (), content_type: str | None = None) -> Request:
    """`cuts` are the offsets at which the body is cut into pieces."""
    bounds = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[start:end] for start, end in pairwise(bounds)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
        for index, piece in enumerate(pieces)
    ]
    incoming = iter(messages)

    async def receive() -> Any:
        return next(incoming)

    given = f"multipart/form-data; boundary={BOUNDARY}" if content_type is None else content_type
    headers = [(b"content-type", given.encode())] if given else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
