"""The source in the first line of a result."""

import json
from collections.abc import AsyncIterator

import pytest

from stenod_server.text.sources import HEAD_BYTES, read_source, with_source

SOURCE = {"uri": "s3://a/ü.wav", "version": 'v"1', "size_bytes": 7}


async def pieces(*texts: str) -> AsyncIterator[bytes]:
    for text in texts:
        yield text.encode()


async def test_a_rendering_with_its_source_is_the_same_json_and_tells_it_from_its_beginning() -> None:
    whole = b"".join([piece async for piece in with_source(pieces("", '{"a": [', "1", "]}"), SOURCE)])
    assert json.loads(whole) == {"source": SOURCE, "a": [1]}
    assert read_source(whole[:HEAD_BYTES]) == SOURCE


@pytest.mark.parametrize(
    "head", [b"", b"{}", b'{"a": 1}\n', b'{"source": {"uri"', b'{"source": {"uri\n', b'{"source": 1,\n']
)
def test_what_begins_in_another_way_has_no_source(head: bytes) -> None:
    assert read_source(head) is None
