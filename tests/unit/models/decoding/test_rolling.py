from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from stenod_models.decoding.greedy import Hypothesis, decode_greedy
from stenod_models.decoding.rolling import Rolling

START, END = 1, 2
NOBODY: Callable[[int], bool] = lambda _item: False  # noqa: E731


class ScriptedRows:
    """Says each window's script, then the end; checks that every row is fed what it said, and that none is skipped."""

    def __init__(self, scripts: Sequence[Sequence[int]], caps: Sequence[int] = ()) -> None:
        self.scripts = scripts
        self.caps = caps
        self.admitted: list[int] = []
        self.sizes: list[int] = []
        self._rows: list[tuple[int, int]] = []  # window, its steps so far

    def admit(self, item: int, row: int) -> int:
        assert row <= len(self._rows)
        self.admitted.append(item)
        self._rows[row : row + 1] = [(item, 0)]
        return self.caps[item] if self.caps else 200

    def drop(self, row: int) -> None:
        last = self._rows.pop()
        if row < len(self._rows):
            self._rows[row] = last

    def step(self, tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        assert len(tokens) == len(self._rows)
        self.sizes.append(len(tokens))
        said = []
        for row, (item, place) in enumerate(self._rows):
            script = self.scripts[item]
            assert tokens[row] == [START, *script][place]
            said.append(script[place] if place < len(script) else END)
            self._rows[row] = item, place + 1
        return np.array(said), np.array([1 / (1 + item) for item, _place in self._rows], np.float32)


def decode(
    rows: ScriptedRows, *, width: int, is_cancelled: Callable[[int], bool] = NOBODY
) -> dict[int, Hypothesis | None]:
    rolling = Rolling(rows, width=width, start_token=START, end_token=END)
    waiting = iter(range(len(rows.scripts)))
    done = list(rolling.run(lambda: next(waiting, None), is_cancelled))
    assert len({one.item for one in done}) == len(done) == len(rows.scripts)
    return {one.item: one.hypothesis for one in done}


def tokens_of(found: dict[int, Hypothesis | None]) -> dict[int, list[int] | None]:
    return {item: hypothesis.tokens if hypothesis else None for item, hypothesis in found.items()}


def test_a_row_that_ends_makes_room_for_the_next_window_at_once() -> None:
    rows = ScriptedRows([[5, 6, 7], [8], [9, 9], [4]])
    found = decode(rows, width=2)
    assert tokens_of(found) == {0: [5, 6, 7], 1: [8], 2: [9, 9], 3: [4]}
    assert rows.admitted == [0, 1, 2, 3]
    assert rows.sizes == [2, 2, 2, 2, 2, 1]


def test_rows_that_end_are_left_out_of_the_steps_when_nothing_waits() -> None:
    rows = ScriptedRows([[], [5, 6, 7, 8], [9], [3, 3]])
    decode(rows, width=4)
    assert rows.sizes == [4, 3, 2, 1, 1]


def test_a_cap_and_a_loop_end_a_row_and_the_next_window_takes_it() -> None:
    rows = ScriptedRows([[5, 6, 7], [4, *([5, 6, 7] * 50)], [3]], [2, 200, 9])
    found = decode(rows, width=1)
    assert found[0] == Hypothesis([5, 6], [1.0] * 2)
    assert tokens_of(found) == {0: [5, 6], 1: [4, 5, 6, 7], 2: [3]}


def test_a_cancelled_window_gives_none_and_its_row_to_the_next() -> None:
    rows = ScriptedRows([[5] * 20, [6, 7, 8], [9, 4]])
    found = decode(rows, width=2, is_cancelled=lambda item: item == 0 and len(rows.sizes) >= 2)
    assert tokens_of(found) == {0: None, 1: [6, 7, 8], 2: [9, 4]}
    assert rows.sizes == [2, 2, 2, 2, 1, 1]


def test_every_row_is_asked_in_turn_whether_it_is_cancelled() -> None:
    rows = ScriptedRows([[3, 4, 5, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]])
    asked: list[int] = []

    def is_cancelled(item: int) -> bool:
        asked.append(item)
        return False

    decode(rows, width=3, is_cancelled=is_cancelled)
    assert asked == [0, 1, 2, 0, 1, 2]


def test_all_cancelled_stops_soon() -> None:
    rows = ScriptedRows([[5] * 20, [6] * 20])
    assert decode(rows, width=2, is_cancelled=lambda _item: True) == {0: None, 1: None}
    assert rows.sizes == [2, 1]


def test_a_window_that_comes_later_joins_those_in_work() -> None:
    rows = ScriptedRows([[5, 6, 7, 8], [9, 3]])
    rolling = Rolling(rows, width=2, start_token=START, end_token=END)
    waiting = {0: 0, 3: 1}  # by the steps before them
    done = list(rolling.run(lambda: waiting.pop(len(rows.sizes), None), NOBODY))
    assert [(one.item, one.hypothesis and one.hypothesis.tokens) for one in done] == [(0, [5, 6, 7, 8]), (1, [9, 3])]
    assert rows.sizes == [1, 1, 1, 2, 2, 1]


_SCRIPTS = st.lists(st.lists(st.integers(3, 9), max_size=12), min_size=1, max_size=12)


@given(_SCRIPTS, st.integers(1, 5), st.data())
def test_windows_say_what_they_say_in_a_batch_that_starts_together(
    scripts: list[list[int]], width: int, data: st.DataObject
) -> None:
    caps = data.draw(st.lists(st.integers(1, 14), min_size=len(scripts), max_size=len(scripts)))
    found = decode(ScriptedRows(scripts, caps), width=width)

    def together(tokens: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        place = len(steps)
        steps.append(0)
        said = [script[place] if place < len(script) else END for script in scripts[: len(tokens)]]
        return np.array(said), np.array([1 / (1 + item) for item in range(len(tokens))], np.float32)

    steps: list[int] = []
    expected = decode_greedy(together, caps, start_token=START, end_token=END, is_cancelled=NOBODY)
    assert [found[item] for item in range(len(caps))] == expected
