"""Matroska files written by hand, so that they can say and hold what no muxer writes."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

PCM, OPUS = b"A_PCM/INT/LIT", b"A_OPUS"
OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
ZLIB, STRIPPED_HEADERS = 0, 3
_FIXED_LACING = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """An audio track; `compression` is one of the algorithms above, or None."""

    codec: bytes = PCM
    rate_hz: float = 8000.0
    channels: int = 1
    bits: int = 8
    private: bytes = b""
    compression: int | None = None
    stripped: bytes = b""


def element(identifier: int, *children: bytes) -> bytes:
    payload = b"".join(children)
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return name + (len(payload) | 1 << 56).to_bytes(8, "big") + payload


def number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(8, "big"))


def block(data: bytes, *, laces: int = 1, track: int = 1) -> bytes:
    """A simple block: `data` in one frame, or in so many of the same size, at the time of its cluster."""
    lacing = b"" if laces == 1 else bytes([laces - 1])
    flags = 0x80 | (0 if laces == 1 else _FIXED_LACING)
    return element(0xA3, bytes([0x80 | track]), struct.pack(">hB", 0, flags), lacing, data)


def cluster(at_ms: int, *blocks: bytes) -> bytes:
    return element(0x1F43B675, number(0xE7, at_ms), *blocks)


def film(width: int, height: int, *, track: int = 2) -> bytes:
    """The entry of a picture track."""
    size = element(0xE0, number(0xB0, width), number(0xBA, height))
    return element(
        0xAE, number(0xD7, track), number(0x73C5, track), number(0x83, 1), element(0x86, b"V_MPEG4/ISO/ASP"), size
    )


def matroska(track: Track, clusters: Iterable[bytes], *, claims_s: float = 0.0, others: bytes = b"") -> bytes:
    """A whole file; `claims_s` is the length its header tells (0: none)."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2))
    length = element(0x4489, struct.pack(">d", claims_s * 1000)) if claims_s else b""
    info = element(0x1549A966, number(0x2AD7B1, 1_000_000), length)
    sound = element(
        0xE1,
        element(0xB5, struct.pack(">d", track.rate_hz)),
        number(0x9F, track.channels),
        number(0x6264, track.bits),
    )
    entry = element(
        0xAE,
        number(0xD7, 1),
        number(0x73C5, 1),
        number(0x83, 2),
        element(0x86, track.codec),
        element(0x63A2, track.private) if track.private else b"",
        sound,
        _encodings(track),
    )
    return head + element(0x18538067, info, element(0x1654AE6B, entry, others), *clusters)


def _encodings(track: Track) -> bytes:
    if track.compression is None:
        return b""
    settings = element(0x4255, track.stripped) if track.stripped else b""
    compression = element(0x5034, number(0x4254, track.compression), settings)
    one = element(0x6240, number(0x5031, 0), number(0x5032, 1), number(0x5033, 0), compression)
    return element(0x6D80, one)
