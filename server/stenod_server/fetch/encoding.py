"""Media that comes compressed although it was asked for as it is."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from stenod_server.errors import FetchFailed, MediaNotFound

PIECE_BYTES: Final = 64 * 1024  # of decoded bytes at a time, however well a bomb is packed
_GZIP: Final = 31  # zlib's window bits for a gzip header and trailer

Decode = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


async def gunzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Raises FetchFailed for what is damaged or broken off."""
    inflater = zlib.decompressobj(_GZIP)
    async for chunk in chunks:
        rest, is_full = chunk, False
        while rest or is_full:
            if inflater.eof:
                inflater = zlib.decompressobj(_GZIP)  # gzip files may follow each other
            with _damage_said():
                piece = inflater.decompress(rest, PIECE_BYTES)
            if piece:
                yield piece
            rest = inflater.unconsumed_tail or inflater.unused_data
            is_full = len(piece) == PIECE_BYTES and not inflater.eof  # more may wait inside, with no input left
    if not inflater.eof:
        raise FetchFailed("the compressed media ends too early")


@contextmanager
def _damage_said() -> Iterator[None]:
    try:
        yield
    except zlib.error as error:
        raise FetchFailed("the compressed media is damaged") from error


_DECODERS: Final[Mapping[str, Decode]] = {
    "": lambda chunks: chunks,
    "identity": lambda chunks: chunks,
    "gzip": gunzipped,
    "x-gzip": gunzipped,
}


def decoder(content_encoding: str, address: str) -> Decode:
    """Raises MediaNotFound for an encoding that was not asked for and is not known."""
    decode = _DECODERS.get(content_encoding.strip().lower())
    if decode is None:
        raise MediaNotFound(f"{address} answers in a content encoding that was not asked for")
    return decode
