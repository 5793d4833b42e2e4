import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.open_batch import OpenBatch
from stenod_models.recogniser import Asked, Int16Audio, Recognition

PROFILE = Profile("m", "f", ("en",), 800, 1000, (500, 1000), 4)
_PATIENCE_S = 10.0


def heard(audio: Int16Audio) -> Recognition:
    return Recognition((), "en", len(audio) / 100, no_speech=0.0)


class Window:
    def __init__(self, samples: int, *, cancelled: bool = False) -> None:
        self.audio = np.zeros(samples, np.int16)
        self.cancelled = cancelled
        self.answers: list[Recognition | Exception | None] = []
        self.done = threading.Event()

    @property
    def is_answered(self) -> bool:
        return bool(self.answers)

    def is_cancelled(self) -> bool:
        return self.cancelled

    def answer(self, result: Recognition | None) -> None:
        self.answers.append(result)
        self.done.set()

    def fail(self, error: Exception) -> None:
        self.answers.append(error)
        self.done.set()


class Ear:
    """Takes all that waits and answers it, the first one last. `trouble` may raise over a window that is taken, and
    over those of a batch.
    """

    max_padding_ratio = 1.0
    profile = PROFILE

    def __init__(self, trouble: Callable[[Sequence[Int16Audio]], None] = lambda _audios: None) -> None:
        self.trouble = trouble
        self.rounds: list[list[int]] = []
        self.batches: list[list[int]] = []
        self.goes_on = threading.Semaphore(0)

    def check(self, language: str, options: RecognitionOptions) -> None:
        raise NotImplementedError

    def warm(self) -> None:
        raise NotImplementedError

    def joins(self, options: RecognitionOptions) -> bool:
        raise NotImplementedError

    def recognise_open(self, waiting: Callable[[], Asked | None]) -> None:
        self.goes_on.acquire()
        taken = list(iter(waiting, None))
        self.rounds.append([len(window.audio) for window in taken])
        for window in reversed(taken):
            self.trouble([window.audio])
            window.answer(heard(window.audio))

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        assert (language, options) == ("auto", RecognitionOptions())
        self.batches.append([len(window) for window in windows])
        self.trouble(windows)
        return [None if is_cancelled(row) else heard(window) for row, window in enumerate(windows)]


@pytest.fixture
def opened() -> Iterator[Callable[[Ear], OpenBatch[Window]]]:
    batches: list[tuple[OpenBatch[Window], Ear]] = []

    def open_batch(ear: Ear) -> OpenBatch[Window]:
        batches.append((OpenBatch(ear), ear))
        return batches[-1][0]

    yield open_batch
    for batch, ear in batches:
        ear.goes_on.release(100)
        batch.close()


Opened = Callable[[Ear], OpenBatch[Window]]


def answers(windows: Sequence[Window]) -> list[list[Recognition | Exception | None]]:
    for window in windows:
        assert window.done.wait(_PATIENCE_S)
    return [window.answers for window in windows]


def test_windows_are_taken_longest_first_and_answered_once(opened: Opened) -> None:
    ear = Ear()
    batch = opened(ear)
    windows = [Window(samples) for samples in (10, 30, 20)]
    ear.goes_on.release()
    batch.put(windows)
    assert answers(windows) == [[heard(window.audio)] for window in windows]
    assert ear.rounds == [[30, 20, 10]]


def test_putting_waits_until_all_are_in_work(opened: Opened) -> None:
    ear = Ear()
    batch = opened(ear)
    windows = [Window(1), Window(2)]
    putting = threading.Thread(target=batch.put, args=(windows,))
    putting.start()
    assert putting.is_alive()
    assert not windows[0].answers
    ear.goes_on.release()
    putting.join(_PATIENCE_S)
    assert not putting.is_alive()
    assert answers(windows) == [[heard(window.audio)] for window in windows]


def test_putting_waits_until_there_is_room_for_more(opened: Opened) -> None:
    begun, has_room = threading.Event(), threading.Event()

    class OneRow(Ear):
        """Begins with a window at once, and asks for the next one when it is told that there is room."""

        def recognise_open(self, waiting: Callable[[], Asked | None]) -> None:
            while (window := waiting()) is not None:
                begun.set()
                assert has_room.wait(_PATIENCE_S)
                window.answer(heard(window.audio))

    batch = opened(OneRow())
    window = Window(1)
    putting = threading.Thread(target=batch.put, args=([window],))
    putting.start()
    assert begun.wait(_PATIENCE_S)
    putting.join(0.2)
    assert putting.is_alive()
    has_room.set()
    putting.join(_PATIENCE_S)
    assert not putting.is_alive()
    assert answers([window]) == [[heard(window.audio)]]


def test_nothing_to_put_waits_for_nothing(opened: Opened) -> None:
    opened(Ear()).put([])


def test_one_bad_window_fails_alone(opened: Opened) -> None:
    def trouble(audios: Sequence[Int16Audio]) -> None:
        if any(len(audio) == 2 for audio in audios):
            raise RuntimeError("not this one")

    ear = Ear(trouble)
    batch = opened(ear)
    windows = [Window(samples) for samples in (3, 2, 1)]
    ear.goes_on.release(2)
    batch.put(windows)
    found = answers(windows)
    assert found[0] == [heard(windows[0].audio)]
    assert isinstance(found[1][0], RuntimeError)
    assert found[2] == [heard(windows[2].audio)]
    assert ear.batches == [[3, 2], [3], [2]]
    later = Window(7)
    batch.put([later])
    assert answers([later]) == [[heard(later.audio)]]


def test_a_window_that_is_cancelled_when_the_batch_fails_gives_none(opened: Opened) -> None:
    failures = iter([RuntimeError("once")])

    def trouble(_audios: Sequence[Int16Audio]) -> None:
        for failure in failures:
            raise failure

    ear = Ear(trouble)
    window = Window(5, cancelled=True)
    ear.goes_on.release()
    opened(ear).put([window])
    assert answers([window]) == [[None]]


def test_windows_are_recognised_where_no_batch_can_be_opened(opened: Opened) -> None:
    class Deaf(Ear):
        def recognise_open(self, waiting: Callable[[], Asked | None]) -> None:
            raise MemoryError(waiting)

    ear = Deaf()
    windows = [Window(2), Window(1)]
    opened(ear).put(windows)
    assert answers(windows) == [[heard(window.audio)] for window in windows]
    assert ear.batches == [[2], [1]]


def test_closing_waits_for_those_in_work() -> None:
    ear = Ear()
    batch = OpenBatch[Window](ear)
    window = Window(4)
    putting = threading.Thread(target=batch.put, args=([window],))
    putting.start()
    ear.goes_on.release()
    putting.join(_PATIENCE_S)
    batch.close()
    assert window.answers == [heard(window.audio)]
