"""Lengths of audio. Inside stenod all time is a count of samples at 16 000 Hz; seconds appear at the edges."""

from dataclasses import dataclass
from typing import Final

SAMPLE_RATE_HZ: Final = 16_000


@dataclass(frozen=True, slots=True)
class ChunkLengths:
    """Windows where nobody pauses, in samples: what each gives to the transcript, and the speech that its recogniser
    hears before and behind that. Where a recogniser takes no window of all three, they shrink alike.
    """

    kept_samples: int = 20 * SAMPLE_RATE_HZ
    left_samples: int = 5 * SAMPLE_RATE_HZ
    right_samples: int = 3 * SAMPLE_RATE_HZ


def to_samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def to_seconds(samples: int) -> float:
    return samples / SAMPLE_RATE_HZ
