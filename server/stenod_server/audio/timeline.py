"""Where a decoded frame lies in the recording, so that a word's time is the time a player shows.

Decoded samples are counted. A container's time stamps are looked at only for holes: packets that were lost, a
microphone that was muted (WebRTC writes nothing then), a sound track that starts after the picture.
"""

from typing import Final

from stenod_server.domain.audio import SAMPLE_RATE_HZ

# Time stamps are rounded to a millisecond in some containers and to a packet in others; below this nothing is missing.
_TOLERANCE_SAMPLES: Final = SAMPLE_RATE_HZ // 10
_EXACT_TOLERANCE_SAMPLES: Final = 16  # where frames carry their sample number, only our rounding is between them
# A longer hole is a clock that was set anew, not silence. Also the bound for a forged time stamp.
_MAX_GAP_SAMPLES: Final = 3600 * SAMPLE_RATE_HZ

# Containers that store time stamps; elsewhere av derives them from bit rates, and counting samples is truer.
_WITH_TIME_STAMPS: Final = frozenset({"mov", "matroska", "mpegts", "mpeg", "flv", "asf", "ogg", "flac", "mxf", "nut"})


class Timeline:
    """`origin_s` is the container's start time: the zero a player shows. Positions are samples at 16 000 Hz."""

    def __init__(self, container: str, origin_s: float, *, estimated_samples: int) -> None:
        self._is_trusted = container in _WITH_TIME_STAMPS
        self._tolerance_samples = _EXACT_TOLERANCE_SAMPLES if container == "flac" else _TOLERANCE_SAMPLES
        self._shift_samples = -round(origin_s * SAMPLE_RATE_HZ)
        self._end_samples = estimated_samples

    @property
    def is_trusted(self) -> bool:
        return self._is_trusted

    def gap_samples(self, stamp_s: float | None, position_samples: int) -> int:
        """How much silence belongs between the `position_samples` decoded so far and a frame stamped `stamp_s`."""
        if stamp_s is None or not self._is_trusted:
            return 0
        gap = round(stamp_s * SAMPLE_RATE_HZ) + self._shift_samples - position_samples
        if abs(gap) < self._tolerance_samples:
            return 0
        beyond_end = self._end_samples and position_samples + gap > self._end_samples + SAMPLE_RATE_HZ
        if gap < 0 or gap > _MAX_GAP_SAMPLES or beyond_end:
            self._shift_samples -= gap  # the clock was set anew: go on from here
            return 0
        return gap
