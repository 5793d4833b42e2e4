"""Any media file → blocks of int16 (channels, samples) at 16 000 Hz, in constant memory.

A damaged packet is skipped and silence stands in for it, so that words before and after keep their times; a file that
ends early gives what is there. Both are told in `damage`.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from stenod_server.audio.length import LengthGuard, counted_s
from stenod_server.audio.media_file import (
    NOT_READABLE,
    MediaInfo,
    ShapeLimits,
    choose_stream,
    describe,
    leave_page_cache,
    open_container,
    packets,
    readable_media,
)
from stenod_server.audio.resample import Block, Resampler, pieces, shape_of
from stenod_server.audio.timeline import Timeline
from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_samples, to_seconds
from stenod_server.errors import LimitExceeded, NoAudio, UnsupportedMedia

_BLOCK_SAMPLES: Final = SAMPLE_RATE_HZ  # one second: large enough for numpy, small enough to be nothing
_MAX_LOST_PACKET_S: Final = 1.0
# Four times the largest packet an encoder writes (Monkey's Audio, insane). A larger one is forged: av decodes a packet
# in one go, whatever memory that takes. Where there are time stamps a packet lasts until the next one: a hole counts.
_MAX_PACKET_SAMPLES: Final = 2**22
# No length in the header: av works it out from the bit rate of the beginning.
_GUESSED_LENGTH: Final = frozenset({"aac", "ac3", "amr", "eac3", "loas", "mp3", "mpeg", "mpegts"})
# A hole in the time stamps is damage that av's parser has swallowed; elsewhere it may be a muted microphone.
_WITHOUT_HOLES: Final = frozenset({"flac"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """Trim in seconds of the file (`end_s` 0 = to the end) and caps; see `ports.WindowPlan`."""

    start_s: float = 0.0
    end_s: float = 0.0
    per_channel: bool = False
    max_decoded_s: float = 24 * 3600.0
    shape: ShapeLimits = field(default_factory=ShapeLimits)


class Decoding:
    """One recording being decoded; a context manager, used once.

    `position_samples` is the place in the file up to which blocks were given. Sync, CPU-bound.
    """

    def __init__(self, path: Path, options: DecodeOptions) -> None:
        self._path, self._options = path, options
        self._start_samples = to_samples(options.start_s)
        self._end_samples = to_samples(options.end_s) if options.end_s > 0 else None
        self._max_samples = to_samples(options.max_decoded_s)
        self._stack = ExitStack()
        self._resampler: Resampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._given_samples = 0  # of the file, decoded and out of the resampler
        self._segment_start_samples = 0  # where the present resampler began
        self._segment_s = 0.0  # what was fed into it
        self._lost: list[float] = []  # the first packets that could not be decoded, in seconds
        self._lost_packets = 0

    def __enter__(self) -> Self:
        """Raises UnsupportedMedia, NoAudio, LimitExceeded, DecoderDied."""
        with ExitStack() as stack, readable_media(self._path):
            stack.callback(leave_page_cache, self._path)
            self._container = stack.enter_context(open_container(self._path))
            self._stream = choose_stream(self._container, self._options.shape)
            self._stream.codec_context.thread_count = 1  # one core per recording; frames stay in order
            self.info: MediaInfo = describe(self._container, self._stream)
            origin_s = (self._container.start_time or 0) / av.time_base
            self._timeline = Timeline(self.info.container, origin_s, estimated_samples=self.info.estimated_samples)
            self._max_packet_ticks = self._longest_packet_ticks()
            self._guard = self._length_guard()
            self._guard.expect(to_seconds(self.info.estimated_samples))
            self._stack = stack.pop_all()
        return self

    def _longest_packet_ticks(self) -> float:
        if self._timeline.is_trusted or not self._stream.time_base:
            return math.inf
        return float(_MAX_PACKET_SAMPLES / self.info.sample_rate_hz / self._stream.time_base)

    def _length_guard(self) -> LengthGuard:
        allowed_s = self._options.max_decoded_s
        return LengthGuard(
            lambda: counted_s(self._path, self._options.shape, enough_s=allowed_s),
            file_bytes=self._path.stat().st_size,
            allowed_s=math.inf
            if self._end_samples is not None and self._end_samples <= self._max_samples
            else allowed_s,
        )

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def position_samples(self) -> int:
        return self._given_samples if self._end_samples is None else min(self._given_samples, self._end_samples)

    @property
    def channels(self) -> int:
        return self.info.channels if self._options.per_channel else 1

    @property
    def damage(self) -> str:
        """What is wrong with the file, for a person; empty when nothing is."""
        remarks = []
        if self._lost_packets:
            one = self._lost_packets == 1
            remarks.append(
                f"{self._lost_packets} damaged packet{'' if one else 's'} skipped, {'' if one else 'the first '}"
                f"at {self._lost[0]:.2f} s"
            )
        announced = self.info.estimated_samples
        doubt_ratio = 0.2 if self.info.container in _GUESSED_LENGTH else 0.02
        missing = announced - self._given_samples
        if self._end_samples is None and missing > max(SAMPLE_RATE_HZ / 2, announced * doubt_ratio):
            said_s = to_seconds(announced)
            remarks.append(
                f"the file ends at {to_seconds(self._given_samples):.2f} s of the {said_s:.2f} s it announces"
            )
        return "; ".join(remarks)

    def blocks(self) -> Iterator[Block]:
        """Blocks from `start_s` on, about a second each. Raises UnsupportedMedia, NoAudio, LimitExceeded."""
        pending: list[Block] = []
        pending_samples = 0
        with readable_media(self._path):
            for block in self._trimmed():
                pending.append(block)
                pending_samples += block.shape[1]
                if pending_samples >= _BLOCK_SAMPLES:
                    yield np.concatenate(pending, axis=1)
                    pending, pending_samples = [], 0
            if pending:
                yield np.concatenate(pending, axis=1)
        if self._given_samples == 0:
            raise self._nothing_decoded()
        if self._given_samples <= self._start_samples:
            said_s = to_seconds(self._given_samples)
            raise NoAudio(f"the recording is {said_s:.2f} s long: nothing is left from {self._options.start_s:g} s on")

    def _nothing_decoded(self) -> UnsupportedMedia | NoAudio:
        if self._lost_packets:
            return UnsupportedMedia(f"{NOT_READABLE}: none of its audio could be decoded")
        return NoAudio("the audio track is empty")

    def _trimmed(self) -> Iterator[Block]:
        for block in self._shaped():
            begin = self._given_samples
            self._given_samples += block.shape[1]
            self._guard.weigh(to_seconds(self._given_samples))
            if self.position_samples > self._max_samples:
                raise LimitExceeded("media", limit="max_decoded_s", allowed=self._options.max_decoded_s)
            first = max(0, self._start_samples - begin)
            last = block.shape[1] if self._end_samples is None else min(block.shape[1], self._end_samples - begin)
            if first < last:
                yield block[:, first:last]
            if self._end_samples is not None and self._given_samples >= self._end_samples:
                return

    def _shaped(self) -> Iterator[Block]:
        """Resampled blocks with silence in the holes."""
        for frame, lost_s in self._frames_of_packets():
            if frame is None:
                yield from self._silence(round(lost_s * SAMPLE_RATE_HZ))
                continue
            gap = self._timeline.gap_samples(frame.time, self._fed_samples)
            if gap and self.info.container in _WITHOUT_HOLES:
                self._note_loss(None)
            yield from self._silence(gap)
            if self._resampler is None or shape_of(frame) != self._shape:
                yield from self._end_segment()
                self._resampler = self._begin_segment(frame)
            for piece in pieces(frame):
                self._segment_s += piece.samples / piece.sample_rate
                for block in self._resampler.feed(piece):
                    yield self._with_all_channels(block)
        yield from self._end_segment()

    @property
    def _fed_samples(self) -> int:
        """The place of the next frame: given, or still in the resampler."""
        return self._segment_start_samples + round(self._segment_s * SAMPLE_RATE_HZ)

    def _begin_segment(self, frame: AudioFrame) -> Resampler:
        self._options.shape.check(frame.sample_rate, frame.layout.nb_channels)
        self._shape = shape_of(frame)
        return Resampler(frame, mono=not self._options.per_channel)

    def _end_segment(self) -> Iterator[Block]:
        if self._resampler is not None:
            for block in self._resampler.flush():
                yield self._with_all_channels(block)
        self._resampler, self._shape = None, None
        # Everything given so far is out, so this is exact, and rounding does not add up over segments.
        self._segment_start_samples, self._segment_s = self._given_samples, 0.0

    def _silence(self, samples: int) -> Iterator[Block]:
        if samples <= 0:
            return
        yield from self._end_segment()
        while samples > 0:
            step = min(samples, _BLOCK_SAMPLES)
            yield np.zeros((self.channels, step), np.int16)
            samples -= step
        self._segment_start_samples = self._given_samples

    def _with_all_channels(self, block: Block) -> Block:
        """A stream whose channel count changes on the way keeps the count it began with."""
        if len(block) == self.channels:
            return block
        return (
            np.resize(block, (self.channels, block.shape[1])) if len(block) < self.channels else block[: self.channels]
        )

    def _frames_of_packets(self) -> Iterator[tuple[AudioFrame | None, float]]:
        """Frames; or None and the seconds lost, for a packet that cannot be decoded."""
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                yield None, self._note_loss(packet)
                continue
            for frame in frames:
                if isinstance(frame, AudioFrame) and frame.samples:
                    yield frame, 0.0

    def _packets(self) -> "Iterator[Packet[AudioStream]]":
        """The stream's packets; a container that breaks off ends there, and what was decoded counts."""
        try:
            for packet in packets(self._container, self._stream):
                self._guard.read(packet.size, packet.pos)
                if packet.duration and packet.duration > self._max_packet_ticks:
                    raise UnsupportedMedia(f"{NOT_READABLE}: a packet of it claims to be longer than any encoder's")
                yield packet
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            self._note_loss(None)

    def _note_loss(self, packet: "Packet[AudioStream] | None") -> float:
        """Count it; the seconds to fill with silence, where the next time stamp will not tell."""
        self._lost_packets += 1
        if len(self._lost) < 1:
            self._lost.append(to_seconds(self._fed_samples))
        if packet is None or self._timeline.is_trusted or not packet.duration or not packet.time_base:
            return 0.0
        return min(float(packet.duration * packet.time_base), _MAX_LOST_PACKET_S)
