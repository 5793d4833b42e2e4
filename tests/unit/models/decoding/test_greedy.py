from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.decoding.greedy import Hypothesis, decode_greedy, loop_surplus

START, END = 1, 2


class ScriptedStep:
    """Says each row's script, then the end; checks that it is fed what it said."""

    def __init__(self, scripts: Sequence[Sequence[int]]) -> None:
        self.scripts = scripts
        self.sizes: list[int] = []

    def __call__(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        place = len(self.sizes)
        self.sizes.append(len(tokens))
        for row, token in enumerate(tokens):
            said = [START, *self.scripts[row]]
            if place < len(said):
                assert token in {said[place], END}
        following = [script[place] if place < len(script) else END for script in self.scripts[: len(tokens)]]
        return np.array(following), np.full(len(tokens), 0.5, np.float32)


def decode(
    step: ScriptedStep, caps: Sequence[int], is_cancelled: Callable[[int], bool] = lambda _row: False
) -> list[Hypothesis | None]:
    return decode_greedy(step, caps, start_token=START, end_token=END, is_cancelled=is_cancelled)


def test_rows_end_by_themselves() -> None:
    first, second = decode(ScriptedStep([[5, 6, 7], [8]]), [10, 10])
    assert first == Hypothesis([5, 6, 7], [0.5] * 3, ended=True)
    assert second == Hypothesis([8], [0.5], ended=True)


def test_finished_rows_at_the_end_are_left_out_of_the_steps() -> None:
    step = ScriptedStep([[5, 6, 7, 8], [9], []])
    decode(step, [10, 10, 10])
    assert step.sizes == [3, 2, 1, 1, 1]


def test_a_cap_cuts_one_row_only() -> None:
    first, second = decode(ScriptedStep([[5, 6, 7], [8, 9, 10]]), [2, 10])
    assert first == Hypothesis([5, 6], [0.5] * 2)
    assert second is not None
    assert second.tokens == [8, 9, 10]


def test_a_cap_of_zero_takes_no_step() -> None:
    step = ScriptedStep([[5]])
    assert decode(step, [0]) == [Hypothesis([], [])]
    assert step.sizes == []


def test_a_cancelled_row_gives_none_and_the_others_go_on() -> None:
    step = ScriptedStep([[5, 6, 7], [8, 9, 10]])
    first, second = decode(step, [10, 10], lambda row: row == 1 and len(step.sizes) >= 2)
    assert second is None
    assert first is not None
    assert first.tokens == [5, 6, 7]
    assert step.sizes == [2, 2, 1, 1]


def test_all_cancelled_stops_at_once() -> None:
    step = ScriptedStep([[5], [6]])
    assert decode(step, [9, 9], lambda _row: True) == [None, None]
    assert step.sizes == []


def test_a_loop_is_cut_after_its_first_copy() -> None:
    (looping,) = decode(ScriptedStep([[4, *([5, 6, 7] * 50)]]), [200])
    assert looping is not None
    assert looping.tokens == [4, 5, 6, 7]
    assert len(looping.probabilities) == 4


@pytest.mark.parametrize("tokens", [[5] * 23, [5, 6] * 11, list(range(100)), [9, *range(17)] * 5])
def test_ordinary_repetition_is_no_loop(tokens: list[int]) -> None:
    assert loop_surplus(tokens) == 0


def test_loops_of_every_period_are_seen() -> None:
    for period in range(1, 17):
        copies = max(4, -(-24 // period))
        assert loop_surplus([99, *(list(range(period)) * copies)]) == period * (copies - 1)
