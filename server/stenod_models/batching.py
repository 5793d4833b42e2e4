"""Which windows of one `execute` call are recognised together. Pure; no Triton, no numpy."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from stenod_models.contract import RecognitionOptions

MAX_PADDING_RATIO: Final = 0.1  # of a batch's samples; padding is computed and thrown away


@dataclass(frozen=True, slots=True)
class WindowKey:
    """What must agree for windows to share a batch, and the length that decides how well they fit."""

    index: int
    length_samples: int
    language: str
    options: RecognitionOptions


def bucket_of(length_samples: int, buckets: Sequence[int]) -> int:
    """The shortest bucket that takes the window. Raises ValueError where none does."""
    place = bisect_left(buckets, length_samples)
    if place == len(buckets):
        raise ValueError(f"AUDIO has {length_samples} samples; this model takes at most {buckets[-1]}")
    return buckets[place]


def group_windows(windows: Sequence[WindowKey], buckets: Sequence[int], max_batch_size: int) -> list[list[WindowKey]]:
    """Batches of windows with equal language and options, similar in length.

    Each batch is padded to the bucket of its longest window. Windows are taken from the longest down, and one joins
    while the batch stays within `MAX_PADDING_RATIO`; a window alone in its bucket always gets a batch.
    """

    def kind(window: WindowKey) -> tuple[str, str]:
        return window.language, window.options.to_json()

    groups = []
    for _kind, members in groupby(sorted(windows, key=kind), key=kind):
        by_length = sorted(members, key=lambda window: -window.length_samples)
        groups.extend(_split(by_length, buckets, max_batch_size))
    return groups


def _split(windows: Sequence[WindowKey], buckets: Sequence[int], max_batch_size: int) -> list[list[WindowKey]]:
    """`windows` descends by length."""
    groups: list[list[WindowKey]] = []
    for window in windows:
        if groups and len(groups[-1]) < max_batch_size:
            padded = bucket_of(groups[-1][0].length_samples, buckets)
            same_bucket = bucket_of(window.length_samples, buckets) == padded
            if same_bucket or _padding_ratio([*groups[-1], window], padded) <= MAX_PADDING_RATIO:
                groups[-1].append(window)
                continue
        groups.append([window])
    return groups


def _padding_ratio(windows: Sequence[WindowKey], padded_samples: int) -> float:
    return 1 - sum(window.length_samples for window in windows) / (padded_samples * len(windows))
