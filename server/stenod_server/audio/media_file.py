"""Opens a media file: which containers are read at all, which audio stream is chosen, and what its header must say.

The one place where exceptions of av become ours.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard

from stenod_server.domain.audio import to_samples
from stenod_server.errors import DecoderDied, LimitExceeded, NoAudio, UnsupportedMedia

# Old telephony archives; below, a header is forged or broken, and resampling from it multiplies what is in the file.
MIN_RATE_HZ: Final = 2_000
# Films come with a dozen sound tracks and subtitles in every language. Each track costs memory before it is looked at.
_MAX_STREAMS: Final = 256
_MAX_ANNOUNCED_S: Final = 1e9  # headers can say more than any integer of ours holds

# Every demuxer that reads recordings. Not on the list: the ones that open *other* files or addresses named inside the
# file (hls, dash, concat, sdp, rtsp, image sequences), which would read this machine's files for whoever uploads one.
_CONTAINERS: Final = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,g729,gsm,ircam,iff,loas,matroska,mov,"
    "mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,qcp,rm,rso,smjpeg,sox,tak,tta,voc,w64,wav,wv,xwma"
)

NOT_READABLE: Final = "not an audio or video file we can read"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeLimits:
    """What a header or a frame may say; each is a setting of that name."""

    max_channels: int = 32
    max_sample_rate_hz: int = 384_000

    def check(self, rate_hz: int, channels: int) -> None:
        """Refuse numbers that cannot be of a recording. Raises UnsupportedMedia, LimitExceeded."""
        if channels < 1:
            raise UnsupportedMedia(f"{NOT_READABLE}: its header says that it has no channels")
        if channels > self.max_channels:
            raise LimitExceeded("media", limit="max_channels", allowed=self.max_channels, actual=channels)
        if rate_hz < MIN_RATE_HZ:
            raise UnsupportedMedia(f"{NOT_READABLE}: its header says {rate_hz} samples per second")
        if rate_hz > self.max_sample_rate_hz:
            raise LimitExceeded("media", limit="max_sample_rate_hz", allowed=self.max_sample_rate_hz, actual=rate_hz)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the header says. `estimated_samples` is the length at 16 000 Hz, 0 where the header does not tell."""

    codec: str
    container: str
    sample_rate_hz: int
    channels: int
    estimated_samples: int


@contextmanager
def readable_media(path: Path) -> Iterator[None]:
    """Translate what av raises: bad bytes are the caller's fault, a file that cannot be opened is ours. Its errors do
    not tell which it is: what is encrypted is "not permitted", too.

    MemoryError stays what it is: whose fault that is, only who set the limit of memory can say.
    """
    try:
        yield
    except MemoryError:
        raise
    except IsADirectoryError as exc:
        raise UnsupportedMedia(f"{NOT_READABLE}: it is a directory") from exc
    except av.error.FFmpegError as exc:
        _check_it_opens(path)
        raise UnsupportedMedia(_explain(path, exc)) from exc


def _check_it_opens(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as exc:
        raise DecoderDied(f"the media file cannot be opened: {type(exc).__name__}") from exc


def _explain(path: Path, exc: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{NOT_READABLE}: it is empty"
    detail = getattr(exc, "strerror", None) or str(exc)
    return f"{NOT_READABLE}: {detail[:200].rstrip(': ')}"


@cache
def _audio_decoders() -> str:
    """Probing would otherwise open video decoders too: slower, and more code for a hostile file to reach."""
    names = (name for name in av.codecs_available if _decodes_audio(name))
    return ",".join(sorted(names))


def _decodes_audio(name: str) -> bool:
    try:
        return av.Codec(name, "r").type == "audio"
    except UnknownCodecError:  # an encoder only
        return False


def open_container(path: Path) -> InputContainer:
    """Open and probe. Raises UnsupportedMedia, DecoderDied (through `readable_media`, which the caller holds)."""
    return av.open(
        str(path),
        metadata_errors="replace",
        options={
            "format_whitelist": _CONTAINERS,
            "codec_whitelist": _audio_decoders(),
            "protocol_whitelist": "file",
            "max_streams": str(_MAX_STREAMS),
        },
    )


def leave_page_cache(path: Path) -> None:
    """Tell the kernel that the file, which is read once, is not read again: its memory serves the next recording that
    arrives, and pushes nothing out that is needed (the database, the models).
    """
    if sys.platform != "linux":
        return
    with suppress(OSError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def packets(container: InputContainer, stream: AudioStream) -> "Iterator[Packet[AudioStream]]":
    """The stream's packets. Of streams that begin in the middle, as broadcasts have them, av knows nothing and stumbles
    over their packets; it goes on behind each.
    """
    while True:
        try:
            yield from container.demux(stream)
        except IndexError:
            continue
        return


def choose_stream(container: InputContainer, limits: ShapeLimits) -> AudioStream:
    """The stream a player would play; the others are not read. Raises NoAudio, UnsupportedMedia, LimitExceeded."""
    streams = container.streams.audio
    if not streams:
        raise NoAudio("the file has no audio track")
    best = container.streams.best("audio")
    ordered = sorted(streams, key=lambda stream: stream is not best)
    decodable = [stream for stream in ordered if _has_decoder(stream)]
    if not decodable:
        raise UnsupportedMedia(f"{NOT_READABLE}: no decoder for its audio track")
    stream = decodable[0]
    limits.check(stream.codec_context.sample_rate, stream.codec_context.channels)
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def _has_decoder(stream: AudioStream) -> bool:
    try:
        return bool(stream.codec_context is not None and stream.codec_context.name)
    except (AttributeError, ValueError):  # how av says that there is none
        return False


def describe(container: InputContainer, stream: AudioStream) -> MediaInfo:
    return MediaInfo(
        codec=stream.codec_context.name,
        container=container.format.name.split(",")[0],
        sample_rate_hz=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        estimated_samples=to_samples(min(max(0.0, _duration_s(container, stream)), _MAX_ANNOUNCED_S)),
    )


def _duration_s(container: InputContainer, stream: AudioStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # A film may outlast its sound, so the container's length counts only where there is nothing else in it.
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return 0.0
