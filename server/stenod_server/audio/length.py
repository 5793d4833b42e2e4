"""How long a recording is, told without decoding it: a megabyte of silence can hold a week."""

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Final

import av.error

from stenod_server.audio.media_file import ShapeLimits, choose_stream, open_container, packets
from stenod_server.errors import LimitExceeded

_COUNTING_S: Final = 10.0  # of processor time: two days in packets of 20 ms
_PACKETS_A_LOOK: Final = 1024
_STRETCH_S: Final = 60.0  # of the recording, over which a byte's worth is taken


def counted_s(path: Path, limits: ShapeLimits, *, enough_s: float) -> float:
    """The seconds that the packets of the audio stream say they hold; stops once it is more than `enough_s`.

    Reads the whole file for that, at some 7 to 30 times the speed of decoding; gives up after ten seconds.
    """
    until_s = process_time() + _COUNTING_S
    ticks = 0
    with open_container(path) as container:
        stream = choose_stream(container, limits)
        tick_s = float(stream.time_base or 0)
        try:
            for count, packet in enumerate(packets(container, stream)):
                ticks += max(0, packet.duration or 0)
                is_time_for_a_look = count % _PACKETS_A_LOOK == 0
                if ticks * tick_s > enough_s or (is_time_for_a_look and process_time() > until_s):
                    break
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:  # it breaks off there when it is decoded, too
            pass
    return ticks * tick_s


class LengthGuard:
    """Refuses a recording of more than `allowed_s` before that much of it is decoded.

    Counting packets costs up to a seventh of decoding, so an ordinary recording is only weighed, as it is decoded: the
    bytes to come, at what a byte of the last minute held. Only what may be too long, by that or by its own header, is
    counted, and once. What hides from it meets the cap on decoded seconds.
    """

    def __init__(self, count: Callable[[], float], *, file_bytes: int, allowed_s: float) -> None:
        self._count, self._is_counted = count, False
        self._file_bytes, self._allowed_s = file_bytes, allowed_s
        self._read_bytes = self._place_bytes = 0
        self._stretch_from_s, self._stretch_from_bytes = 0.0, 0

    def expect(self, length_s: float) -> None:
        """It is said, or seems, to be so long. Raises LimitExceeded where it is, UnsupportedMedia."""
        if length_s <= self._allowed_s or self._is_counted:
            return
        self._is_counted = True
        if self._count() > self._allowed_s:
            raise LimitExceeded("media", limit="max_decoded_s", allowed=self._allowed_s)

    def read(self, size_bytes: int, place_bytes: int | None) -> None:
        """A packet of so many bytes was read, from that place in the file where the container says it."""
        self._read_bytes += size_bytes
        place_bytes = self._read_bytes if place_bytes is None else place_bytes
        self._place_bytes = max(self._place_bytes, place_bytes)

    def weigh(self, decoded_s: float) -> None:
        """So much is decoded of what was read. Raises as `expect`."""
        stretch_s = decoded_s - self._stretch_from_s
        if stretch_s < _STRETCH_S:
            return
        stretch_bytes = max(1, self._place_bytes - self._stretch_from_bytes)
        self._stretch_from_s, self._stretch_from_bytes = decoded_s, self._place_bytes
        if self._read_bytes > self._file_bytes:  # packed, or the same bytes over and over: no telling what is to come
            self.expect(float("inf"))
        left_bytes = max(0, self._file_bytes - self._place_bytes)
        self.expect(decoded_s + left_bytes * stretch_s / stretch_bytes)
