"""Unpacking gzip as it comes in: any cut into chunks, and never more than a piece at a time."""

import gzip
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.errors import FetchFailed
from stenod_server.fetch.encoding import PIECE_BYTES, gunzipped


async def sent(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def unpacked(chunks: Sequence[bytes]) -> list[bytes]:
    return [piece async for piece in gunzipped(sent(chunks))]


@given(st.lists(st.binary(max_size=200), min_size=1), st.integers(1, 50))
async def test_any_chunks_of_any_members_give_the_bytes(members: list[bytes], chunk_bytes: int) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    chunks = [packed[start : start + chunk_bytes] for start in range(0, len(packed), chunk_bytes)]
    assert b"".join(await unpacked(chunks)) == b"".join(members)


@pytest.mark.parametrize("size_bytes", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 10 * PIECE_BYTES, 2**24 + 7])
async def test_a_bomb_comes_out_in_small_pieces(size_bytes: int) -> None:
    pieces = await unpacked([gzip.compress(bytes(size_bytes))])
    assert sum(map(len, pieces)) == size_bytes
    assert max(map(len, pieces)) <= PIECE_BYTES


@pytest.mark.parametrize(
    "packed",
    [b"", gzip.compress(b"x" * 1000)[:-1], b"no gzip", gzip.compress(b"x") + b"no gzip"],
    ids=["nothing", "cut off", "no gzip", "followed by none"],  # not the bytes, which have the time in them
)
async def test_what_is_broken_or_broken_off_fails(packed: bytes) -> None:
    with pytest.raises(FetchFailed):
        await unpacked([packed])
