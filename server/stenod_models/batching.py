"""Which windows of one `execute` call are recognised together, and what becomes of a batch that fails. Pure; no Triton,
no numpy.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stenod_models.contract import RecognitionOptions
from stenod_models.memory_errors import is_out_of_memory

_log = logging.getLogger(__name__)

Window = TypeVar("Window")
Result = TypeVar("Result")


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


def recognise_apart(
    windows: Sequence[Window],
    recognise: Callable[[Sequence[Window]], list[Result]],
    failed: Callable[[Window, Exception], Result],
) -> list[Result]:
    """A result for each window: of the batch; of its halves where it does not fit the memory; of each window alone
    where it fails otherwise, so that none takes its mates down. What fails alone is `failed`.
    """
    try:
        return recognise(windows)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not all windows' fault
        _log.exception("a batch of %d windows failed", len(windows))
        # Without its traceback, which would keep alive what the batch has taken.
        reason = error.with_traceback(None)
    if len(windows) == 1:
        return [failed(windows[0], reason)]
    size = -(-len(windows) // 2) if is_out_of_memory(reason) else 1
    parts = [windows[first : first + size] for first in range(0, len(windows), size)]
    return [result for part in parts for result in recognise_apart(part, recognise, failed)]
