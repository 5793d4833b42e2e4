"""Recordings of at most a megabyte that are made to exhaust whoever decodes them, and some that only look like it."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.matroska import (
    OPUS,
    OPUS_HEAD,
    STRIPPED_HEADERS,
    ZLIB,
    Track,
    block,
    cluster,
    element,
    film,
    matroska,
    number,
)

HOUR_S: Final = 3600.0
UNREADABLE: Final = "UNSUPPORTED_MEDIA"
EMPTY: Final = "NO_AUDIO"
FLAC_BLOCK: Final = 65_535


@dataclass(frozen=True, slots=True)
class Bomb:
    """`outcome`: the limit that must be named, `UNREADABLE`, `EMPTY`; nothing where it is harmless and to be read."""

    name: str
    says: str
    outcome: str
    build: Callable[[], bytes]


# --- FLAC of one value, some 16 bytes for eight seconds ------------------------------------------------------------


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) & 1 else 0)
            value &= (1 << bits) - 1
    return value


def _utf8(value: int) -> bytes:
    return chr(value).encode("utf-8", "surrogatepass")


def _flac_frame(index: int) -> bytes:
    # Sync, fixed block size, size and rate of 16 bits behind the header, mono, 16 bits a sample.
    head = b"\xff\xf8\x7d\x08" + _utf8(index) + struct.pack(">HH", FLAC_BLOCK - 1, 8000)
    head += bytes([_crc(head, 0x07, 8)])
    body = head + b"\x00\x00\x00"  # one constant subframe
    return body + struct.pack(">H", _crc(body, 0x8005, 16))


def flac(hours: float, *, claims_hours: float | None = None) -> bytes:
    """Silence at 8 kHz; the header tells `claims_hours` (None: the truth)."""
    frames = -(-round(hours * HOUR_S * 8000) // FLAC_BLOCK)
    total = frames * FLAC_BLOCK if claims_hours is None else round(claims_hours * HOUR_S * 8000)
    packed = (8000 << 44) | (0 << 41) | (15 << 36) | total
    info = struct.pack(">HH", FLAC_BLOCK, FLAC_BLOCK) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\x00\x00\x22" + info + b"".join(_flac_frame(index) for index in range(frames))


# --- Matroska ------------------------------------------------------------------------------------------------------

_DTX: Final = bytes([0x1B, 0x02])  # two frames of 60 ms with nothing in them


def opus_of_nothing(hours: float, *, claims_s: float = 0.0) -> bytes:
    """Opus packets of no bytes at all: the two that each begins with are stripped, 255 packets share a block."""
    track = Track(codec=OPUS, rate_hz=48_000, private=OPUS_HEAD, compression=STRIPPED_HEADERS, stripped=_DTX)
    count = round(hours * HOUR_S / (255 * 0.12)) + 1
    blocks = (cluster(round(index * 255 * 120), block(b"", laces=255)) for index in range(count))
    return matroska(track, blocks, claims_s=claims_s)


def zipped_pcm(hours: float) -> bytes:
    """Blocks of PCM, a thousandth of their size."""
    piece = zlib.compress(bytes(4_000_000), 9)
    count = round(hours * HOUR_S / 500) + 1
    blocks = (cluster(index * 500_000, block(piece)) for index in range(count))
    return matroska(Track(compression=ZLIB), blocks)


def stamped(step_s: float, count: int) -> bytes:
    """A tenth of a second every `step_s`."""
    clusters = (cluster(round(index * step_s * 1000), block(bytes(800))) for index in range(count))
    return matroska(Track(), clusters, claims_s=step_s * count)


def long_blocks(length_ms: int, count: int) -> bytes:
    """Blocks of a tenth of a second that say they are longer."""
    data = element(0xA1, b"\x81\x00\x00\x00" + bytes(800))
    clusters = (cluster(index * 100, element(0xA0, data, number(0x9B, length_ms))) for index in range(count))
    return matroska(Track(), clusters)


def crumbs(packets: int) -> bytes:
    """Packets of one sample each that take no byte of the file."""
    track = Track(rate_hz=384_000, compression=STRIPPED_HEADERS, stripped=b"\x80")
    return matroska(track, (cluster(0, block(b"", laces=255)) for _ in range(packets // 255)))


def alac(frame_samples: int) -> bytes:
    """Apple Lossless that wants a quarter of a gigabyte before it looks at the first byte."""
    private = struct.pack(">IBBBBBBHIII", frame_samples, 0, 16, 40, 10, 14, 8, 255, 0, 0, 48_000)
    track = Track(codec=b"A_ALAC", rate_hz=48_000, channels=8, bits=16, private=private)
    return matroska(track, [cluster(0, block(bytes(8000)))])


def film_of(width: int, height: int) -> bytes:
    picture = block(bytes(100_000), track=2)
    return matroska(Track(), [cluster(0, block(bytes(8000)), picture)], others=film(width, height))


def tracks(count: int) -> bytes:
    others = b"".join(film(64, 64, track=index) for index in range(2, count))
    return matroska(Track(), [cluster(0, block(bytes(8000)))], others=others)


# --- others --------------------------------------------------------------------------------------------------------


def wav(*, rate_hz: int = 8000, channels: int = 1, claims_bytes: int | None = None, tag: int = 1) -> bytes:
    data = bytes(16_000)
    align = 2 * channels & 0xFFFF
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * align & 0xFFFFFFFF, align, 16)
    size = len(data) if claims_bytes is None else claims_bytes
    return (
        b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    )


def ape(blocks: int) -> bytes:
    """Monkey's Audio: one frame that says it is silence, so many samples of it, in 24 bytes."""
    frame = struct.pack("<II", 0x80000000, 3) + bytes(64)
    header = struct.pack("<HHIIIHHI", 1000, 0, blocks, blocks, 1, 16, 1, 8000)
    seek_table = struct.pack("<I", 52 + 24 + 4)
    sizes = struct.pack("<IIIIIII", 52, len(header), len(seek_table), 0, len(frame), 0, 0)
    return b"MAC " + struct.pack("<HH", 3990, 0) + sizes + bytes(16) + header + seek_table + frame


def _atom(name: bytes, *children: bytes) -> bytes:
    payload = b"".join(children)
    return struct.pack(">I", 8 + len(payload)) + name + payload


def mov(samples: int, *, ticks: int, reference: bytes = b"") -> bytes:
    """A film whose tables say that it has so many samples of a byte; with `ticks` over 1 each gets an index entry.

    `reference`: the address where it says that its samples are.
    """
    url = _atom(b"url ", struct.pack(">I", 0), reference, b"\0")
    elsewhere = _atom(b"dinf", _atom(b"dref", struct.pack(">II", 0, 1), url)) if reference else b""
    entry = _atom(b"raw ", bytes(6), struct.pack(">HHHIHHHHI", 1, 0, 0, 0, 1, 8, 0, 0, 8000 << 16))
    table = _atom(
        b"stbl",
        _atom(b"stsd", struct.pack(">II", 0, 1), entry),
        _atom(b"stts", struct.pack(">IIII", 0, 1, samples, ticks)),
        _atom(b"stsc", struct.pack(">IIIII", 0, 1, 1, samples, 1)),
        _atom(b"stsz", struct.pack(">III", 0, 1, samples)),
        _atom(b"stco", struct.pack(">III", 0, 1, 32)),
    )
    head = _atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 8000, samples, 0, 0))
    handler = _atom(b"hdlr", struct.pack(">II", 0, 0) + b"soun" + bytes(12) + b"\0")
    media = _atom(b"mdia", head, handler, _atom(b"minf", _atom(b"smhd", bytes(8)), elsewhere, table))
    track = _atom(b"tkhd", struct.pack(">IIIII", 3, 0, 0, 1, 0), bytes(64))
    movie = _atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 0), bytes(80))
    return (
        _atom(b"ftyp", b"qt  ", bytes(4))
        + _atom(b"mdat", bytes(8000))
        + _atom(b"moov", movie, _atom(b"trak", track, media))
    )


def mp3(seconds: float, *, tag: bytes = b"") -> bytes:
    """Silence in the smallest frames there are: 36 ms in 36 bytes of MPEG 2 at 8 kbit/s and 16 kHz."""
    frame = b"\xff\xf3\x18\xc4" + bytes(32)
    return tag + frame * round(seconds / 0.036)


def zipped_tag(frames: int) -> bytes:
    """An ID3 tag with compressed texts of four megabytes."""
    text = zlib.compress(b"\x03" + b"a" * 4_000_000, 9)
    body = struct.pack(">I", 4_000_001) + text
    one = b"TIT2" + struct.pack(">I", len(body)) + b"\x00\x80" + body
    size = len(one) * frames
    return b"ID3\x03\x00\x00" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + one * frames


def zipped(inside: bytes) -> bytes:
    """A zip archive of one recording."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", inside)
    return out.getvalue()


def playlists(address: str) -> dict[str, bytes]:
    """Files that name another one, in every format that av would follow: format and content."""
    manifest = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-main:2011">'
        f'<Period><AdaptationSet contentType="audio"><Representation id="a" codecs="mp4a.40.2" bandwidth="1">'
        f"<BaseURL>{address}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>"
    )
    description = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n".encode(),
        "m3u": f"#EXTM3U\n{address}\n".encode(),
        "concat": f"ffconcat version 1.0\nfile '{address}'\n".encode(),
        "dash": f'<?xml version="1.0"?>{manifest}'.encode(),
        "sdp": description.encode(),
        "asx": f'<asx version="3.0"><entry><ref href="{address}"/></entry></asx>'.encode(),
        "pls": f"[playlist]\nFile1={address}\nNumberOfEntries=1\n".encode(),
        "mov reference": mov(8000, ticks=1, reference=address.encode()),
        "imf": f'<?xml version="1.0"?><AssetMap><Id>{address}</Id></AssetMap>'.encode(),
    }


def cover(claims_bytes: int) -> bytes:
    """A FLAC file with a picture of 30000 x 30000 that says how many bytes it has."""
    picture = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 30_000, 30_000, 24, 0, claims_bytes)
    whole = flac(0.01)
    return whole[:4] + b"\x00" + whole[5:42] + b"\x86" + len(picture).to_bytes(3, "big") + picture + whole[42:]


BOMBS: Final = (
    Bomb("flac", "30 h of silence, honestly", "max_decoded_s", lambda: flac(30)),
    Bomb("flac-unsaid", "100 h, no length in the header", "max_decoded_s", lambda: flac(100, claims_hours=0)),
    Bomb("flac-lie", "100 h, says 10 s", "max_decoded_s", lambda: flac(100, claims_hours=10 / HOUR_S)),
    Bomb("flac-boast", "36 s, says 2000 h", "", lambda: flac(0.01, claims_hours=2000)),
    Bomb("opus-nothing", "150 h in packets of no bytes", "max_decoded_s", lambda: opus_of_nothing(150)),
    Bomb("opus-lie", "150 h, says 10 s", "max_decoded_s", lambda: opus_of_nothing(150, claims_s=10)),
    Bomb("zipped-pcm", "30 h of PCM, compressed", "max_decoded_s", lambda: zipped_pcm(30)),
    Bomb("stamps", "0.1 s every 59 min, 100 times", "max_decoded_s", lambda: stamped(3540, 100)),
    Bomb("one-stamp", "a hole of ten days", "", lambda: stamped(864_000, 2)),
    Bomb("crumbs", "6 million packets of one sample", "decode_cpu_s", lambda: crumbs(5_800_000)),
    Bomb("ape", "one frame of 37 h", "max_decoded_s", lambda: ape(2**30 - 1)),
    Bomb("ape-23h", "one frame of 23 h", UNREADABLE, lambda: ape(23 * 3600 * 8000)),
    Bomb("alac", "frames of 17 million samples", UNREADABLE, lambda: alac(2**24)),
    Bomb("mov-index", "an index of 80 million samples", EMPTY, lambda: mov(80_000_000, ticks=2)),
    Bomb("mov-table", "two thousand million samples", "", lambda: mov(2**31 - 1, ticks=1)),
    Bomb("mov-stts", "ten samples of 74 h each", EMPTY, lambda: mov(10, ticks=2**31 - 1)),
    Bomb("mp3", "15 min in a megabyte", "", lambda: mp3(930)),
    Bomb("id3", "texts of 900 MB, compressed", "", lambda: mp3(1, tag=zipped_tag(225))),
    Bomb("zip", "an archive of 200 MB", UNREADABLE, lambda: zipped(bytes(200_000_000))),
    Bomb("wav-boast", "1 s, says 37 h", "", lambda: wav(claims_bytes=0xFFFFFFF0)),
    Bomb("wav-1-hz", "one sample per second", UNREADABLE, lambda: wav(rate_hz=1)),
    Bomb("wav-10-mhz", "10 million samples per second", "max_sample_rate_hz", lambda: wav(rate_hz=10_000_000)),
    Bomb("wav-2-ghz", "2 147 483 647 samples per second", "max_sample_rate_hz", lambda: wav(rate_hz=2**31 - 1)),
    Bomb("wav-255", "255 channels", "max_channels", lambda: wav(channels=255)),
    Bomb("film", "pictures of 30000 x 30000", "", lambda: film_of(30_000, 30_000)),
    Bomb("tracks", "5000 tracks", "", lambda: tracks(5000)),
    Bomb("cover", "a cover of 4 GB", "", lambda: cover(2**32 - 1)),
    Bomb("lengths", "lengths of 25 days, said of 0.1 s", "", lambda: long_blocks(2**31 - 1, 10)),
)
