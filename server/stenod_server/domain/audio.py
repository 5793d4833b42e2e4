"""Lengths of audio. Inside stenod all time is a count of samples at 16 000 Hz; seconds appear at the edges."""

from typing import Final

SAMPLE_RATE_HZ: Final = 16_000


def to_samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def to_seconds(samples: int) -> float:
    return samples / SAMPLE_RATE_HZ
