"""JSON bodies."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from stenod_server.errors import InvalidField, LimitExceeded
from stenod_server.rest.body import read_json


class _Body:
    """A body in pieces; counts those that were asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def receive(self) -> Message:
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    @property
    def request(self) -> Request:
        return Request({"type": "http", "headers": []}, self.receive)


async def test_an_object_may_come_in_pieces() -> None:
    assert await read_json(_Body(b'{"a"', b": [1]}").request) == {"a": [1]}


async def test_a_body_is_read_no_further_than_its_limit() -> None:
    body = _Body(*[b" " * 100] * 1000)
    with pytest.raises(LimitExceeded, match="more than 1000 allowed by max_body_bytes"):
        await read_json(body.request, max_bytes=1000)
    assert len(body.pieces) == 1000 - 11


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'{"a": Infinity}', b"\xff", b"[" * 5000, b"9" * 5000])
async def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidField, match=r"^body: "):
        await read_json(_Body(raw).request)
