"""Label looping gives what decoding row by row and frame by frame gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.label_looping import Choices, Int64Array, Limits, decode_transducer

BLANK = 5
LIMITS = Limits(BLANK, max_symbols=3)


@dataclass
class ScriptedTransducer:
    """What is said at a frame depends on the row's seed, the frame and everything the row has said: a state that a
    decoder can get wrong.
    """

    seeds: Sequence[int]
    has_durations: bool

    def __post_init__(self) -> None:
        self.said: list[list[int]] = [[] for _ in self.seeds]
        self.predictions = 0

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        self.predictions += 1
        for row, token in zip(rows, tokens, strict=True):
            self.said[row].append(int(token))

    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        chosen = [self.choice(int(row), int(frame)) for row, frame in zip(rows, frames, strict=True)]
        tokens, durations, probabilities = zip(*chosen, strict=True)
        return Choices(np.array(tokens), np.array(durations), np.array(probabilities, np.float32))

    def choice(self, row: int, frame: int) -> tuple[int, int, float]:
        random = np.random.default_rng([self.seeds[row], frame, *self.said[row]])
        token = int(random.choice([0, 1, 2, BLANK, BLANK, BLANK]))
        duration = int(random.integers(0, 5)) if self.has_durations else 0
        return token, duration, float(random.random())


def frame_by_frame(seed: int, length: int, *, has_durations: bool) -> Emissions:
    """The textbook's loop over frames: Graves, arXiv 1211.3711, with TDT's jumps."""
    model = ScriptedTransducer([seed], has_durations)
    found, frame, at_frame = Emissions(), 0, 0
    model.said[0].append(BLANK)
    while frame < length:
        token, duration, probability = model.choice(0, frame)
        if token == BLANK:
            frame += max(duration, 1)
            at_frame = 0
            continue
        probability = float(np.float32(probability))
        found.add(token, start=frame, end=min(frame + duration, length), probability=probability)
        model.said[0].append(token)
        at_frame += 1
        if duration or at_frame == LIMITS.max_symbols:
            frame += duration or 1
            at_frame = 0
    return found


BATCHES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 40)), min_size=1, max_size=6)


@settings(deadline=None)  # nothing is timed
@given(batch=BATCHES, has_durations=st.booleans())
def test_a_batch_says_what_each_row_says_frame_by_frame(batch: list[tuple[int, int]], has_durations: bool) -> None:  # noqa: FBT001
    model = ScriptedTransducer([seed for seed, _length in batch], has_durations)
    found = decode_transducer(model, [length for _seed, length in batch], LIMITS)
    expected = [frame_by_frame(seed, length, has_durations=has_durations) for seed, length in batch]
    assert found == expected


def test_the_prediction_network_runs_once_for_each_label_of_the_longest_row() -> None:
    model = ScriptedTransducer([3, 4, 5], has_durations=True)
    found = decode_transducer(model, [200, 200, 200], LIMITS)
    most = max(len(row.tokens) for row in found if row)
    assert most > 20
    assert model.predictions <= most + 1


def test_a_row_that_never_moves_on_is_moved() -> None:
    class Stuck(ScriptedTransducer):
        def choice(self, row: int, frame: int) -> tuple[int, int, float]:  # noqa: ARG002
            return 1, 0, 1.0

    (found,) = decode_transducer(Stuck([0], has_durations=True), [4], LIMITS)
    assert found is not None
    assert found.starts == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_cancelled_row_stops_and_its_mates_go_on() -> None:
    polls: npt.NDArray[np.int64] = np.zeros(2, np.int64)

    def is_cancelled(row: int) -> bool:
        polls[row] += 1
        return row == 0 and polls[0] > 3

    model = ScriptedTransducer([1, 2], has_durations=False)
    cancelled, kept = decode_transducer(model, [100, 100], LIMITS, is_cancelled=is_cancelled)
    assert cancelled is None
    assert kept == frame_by_frame(2, 100, has_durations=False)
    assert len(model.said[0]) < 8 < len(model.said[1])
