"""A batch shared out among lanes: who gets what, and what becomes of it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.recogniser import Int16Audio, Recognition
from stenod_models.side_by_side import SideBySide

OPTIONS = RecognitionOptions()


class Lane:
    """Says how long a window is, once all lanes that are to have one have begun."""

    profile = Profile(
        model="m",
        family="f",
        languages=("en",),
        window_target_samples=10,
        window_max_samples=10,
        length_buckets_samples=(10,),
        max_batch_size=8,
    )
    max_padding_ratio = 0.5

    def __init__(self, together: threading.Barrier, problem: Exception | None = None) -> None:
        self.together, self.problem = together, problem
        self.taken: list[int] = []
        self.is_over = self.is_warm = False

    def check(self, language: str, options: RecognitionOptions) -> None:
        raise ValueError(f"{language}, {options.task}")

    def warm(self) -> None:
        self.is_warm = True

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        self.together.wait(5)
        if self.problem:
            raise self.problem
        self.taken += [len(window) for window in windows]
        self.is_over = True
        return [
            None if is_cancelled(row) else Recognition((), f"{language}, {options.task}", float(len(window)), 0.0)
            for row, window in enumerate(windows)
        ]


def windows(*lengths: int) -> list[Int16Audio]:
    return [np.zeros(length, np.int16) for length in lengths]


def test_each_window_gets_its_own_result_and_lanes_work_at_once_on_about_as_much() -> None:
    together = threading.Barrier(2)
    lanes = [Lane(together), Lane(together)]
    found = SideBySide(Lane.profile, lanes).recognise(
        windows(1, 5, 3, 4, 2), language="en", options=OPTIONS, is_cancelled=lambda index: index == 2
    )
    assert [None if one is None else one.language_confidence for one in found] == [1.0, 5.0, None, 4.0, 2.0]
    assert [lane.taken for lane in lanes] == [[5, 3, 1], [4, 2]]


def test_one_window_takes_one_lane() -> None:
    lanes = [Lane(threading.Barrier(1)) for _ in range(2)]
    assert len(SideBySide(Lane.profile, lanes).recognise(windows(7), language="en", options=OPTIONS)) == 1
    assert [lane.taken for lane in lanes] == [[7], []]


def test_a_lane_that_fails_fails_the_batch_when_the_others_are_done() -> None:
    together = threading.Barrier(2)
    lanes = [Lane(together, MemoryError("no more")), Lane(together)]
    with pytest.raises(MemoryError, match="no more"):
        SideBySide(Lane.profile, lanes).recognise(windows(2, 1), language="en", options=OPTIONS)
    assert lanes[1].is_over


def test_it_is_warm_when_all_lanes_are_and_refuses_what_they_refuse() -> None:
    lanes = [Lane(threading.Barrier(1)) for _ in range(3)]
    whole = replace(Lane.profile, max_batch_size=24)
    both = SideBySide(whole, lanes)
    both.warm()
    assert all(lane.is_warm for lane in lanes)
    assert (both.profile, both.max_padding_ratio) == (whole, 0.5)
    with pytest.raises(ValueError, match="tlh"):
        both.check("tlh", OPTIONS)
