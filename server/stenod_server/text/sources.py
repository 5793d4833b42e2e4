"""The `source` of a rendering in JSON: which version of which recording it is of, in its first line.

    {"source": {"uri": …, "version": …, "size_bytes": …, "request_id": …},
    "job_id": …, and the rest of the rendering

So the few bytes at the beginning of an object tell whether the result it holds is that of a recording as it is now.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

HEAD_BYTES: Final = 16 * 1024  # more than any source takes: an address has at most 4096 characters
_START: Final = b'{"source": '


async def with_source(pieces: AsyncIterator[bytes], source: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The pieces of a JSON object, the source put before its first member."""
    is_first = True
    async for piece in pieces:
        if is_first and piece:
            is_first = False
            piece = _START + json.dumps(source, ensure_ascii=False).encode() + b",\n" + piece.removeprefix(b"{")  # noqa: PLW2901
        yield piece


def read_source(head: bytes) -> Mapping[str, Any] | None:
    """From the first HEAD_BYTES of an object; None where it begins in another way."""
    line, newline, _ = head.partition(b"\n")
    if not newline or not line.startswith(_START):
        return None
    try:
        source = json.loads(line.removeprefix(_START).removesuffix(b","))
    except ValueError:
        return None
    return source if isinstance(source, dict) else None
