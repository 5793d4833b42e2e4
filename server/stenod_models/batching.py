"""Which windows of one `execute` call are recognised together. Pure; no Triton, no numpy."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from stenod_models.contract import RecognitionOptions


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


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`max_padding_ratio` is of a batch's samples: padding is computed and thrown away."""

    buckets: tuple[int, ...]
    max_batch_size: int
    max_padding_ratio: float


def group_windows(windows: Sequence[WindowKey], limits: BatchLimits) -> list[list[WindowKey]]:
    """Batches of windows with equal language and options, similar in length, longest first.

    Each batch is padded to the bucket of its longest window. Windows are taken from the longest down, and one joins
    while the padding stays within the limit; windows of one bucket always fit together.
    """
    kinds: dict[tuple[str, RecognitionOptions], list[WindowKey]] = {}
    for window in windows:
        kinds.setdefault((window.language, window.options), []).append(window)
    groups = []
    for members in kinds.values():
        groups.extend(_split(sorted(members, key=lambda window: -window.length_samples), limits))
    return groups


def _split(windows: Sequence[WindowKey], limits: BatchLimits) -> list[list[WindowKey]]:
    """`windows` descends by length."""
    groups: list[list[WindowKey]] = []
    for window in windows:
        if groups and len(groups[-1]) < limits.max_batch_size and _fits(window, groups[-1], limits):
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def _fits(window: WindowKey, group: Sequence[WindowKey], limits: BatchLimits) -> bool:
    padded = bucket_of(group[0].length_samples, limits.buckets)
    if bucket_of(window.length_samples, limits.buckets) == padded:
        return True
    used = sum(member.length_samples for member in group) + window.length_samples
    return 1 - used / (padded * (len(group) + 1)) <= limits.max_padding_ratio
