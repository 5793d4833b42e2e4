from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from stenod_models.admission import check_lengths, check_options, recognise_audible
from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.recogniser import Int16Audio, Recognition

PROFILE = Profile("m", "f", ("en",), 800, 1000, (500, 1000), 4, max_beam_size=2)
SILENCE = Recognition((), "en", 1.0, no_speech=1.0)


def named(length: int) -> Recognition:
    return Recognition((), str(length), 1.0, no_speech=0.0)


def test_the_audible_are_recognised_longest_first_and_each_result_goes_to_its_window() -> None:
    cancelled = {2}
    seen: list[int] = []

    def recognise(windows: Sequence[Int16Audio], is_row_cancelled: Callable[[int], bool]) -> list[Recognition | None]:
        seen.extend(len(window) for window in windows)
        cancelled.add(4)  # the longest, meanwhile
        return [None if is_row_cancelled(row) else named(len(window)) for row, window in enumerate(windows)]

    found = recognise_audible(
        [np.ones(length, np.int16) for length in (300, 5, 700, 500, 900, 0)],
        recognise,
        is_audible=lambda window: len(window) >= 10,
        silence=SILENCE,
        is_cancelled=lambda index: index in cancelled,
    )
    assert seen == [900, 500, 300]
    assert found == [named(300), SILENCE, None, named(500), None, SILENCE]


def test_nothing_is_run_where_nothing_is_audible() -> None:
    def recognise(windows: Sequence[Int16Audio], is_row_cancelled: Callable[[int], bool]) -> list[Recognition | None]:
        raise AssertionError(windows, is_row_cancelled)

    found = recognise_audible(
        [np.ones(9, np.int16)] * 2,
        recognise,
        is_audible=lambda _window: False,
        silence=SILENCE,
        is_cancelled=lambda index: index == 0,
    )
    assert found == [None, SILENCE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RecognitionOptions(task="translate"), "task 'translate': m offers transcribe"),
        (RecognitionOptions(beam_size=3), "beam_size 3: m searches with at most 2"),
        (RecognitionOptions(prompt="so"), "prompt: m takes none"),
        (RecognitionOptions(mark_bias=-1.0), "mark_bias: m takes none"),
    ],
)
def test_an_option_is_refused_unless_the_profile_offers_it(options: RecognitionOptions, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_options(options, PROFILE)
    able = replace(PROFILE, tasks=("transcribe", "translate"), max_beam_size=3, takes_prompt=True, takes_mark_bias=True)
    check_options(options, able)


def test_a_window_is_as_long_as_the_last_bucket_at_most() -> None:
    check_lengths([np.ones(1000, np.int16)], PROFILE)
    with pytest.raises(ValueError, match="longer than 1000 samples"):
        check_lengths([np.ones(1, np.int16), np.ones(1001, np.int16)], PROFILE)
