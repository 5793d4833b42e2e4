"""The open batch of the real default model, beside windows that may not join it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stenod_models.contract import RecognitionOptions
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_models.recogniser import Int16Audio, Recognition
from tests.proofs.invariance import english_windows
from tests.support.speech import needs_speech

pytestmark = needs_speech
DOUBTFUL = RecognitionOptions(mark_bias=-1.0)


@dataclass
class _Asked:
    audio: Int16Audio
    answers: list[Recognition | None] = field(default_factory=list)

    def is_cancelled(self) -> bool:
        return False

    def answer(self, result: Recognition | None) -> None:
        self.answers.append(result)


def _recognised(recogniser: MoonshineRecogniser, audio: Int16Audio, options: RecognitionOptions) -> Recognition | None:
    return recogniser.recognise([audio], language="en", options=options)[0]


def test_windows_that_do_not_join_are_recognised_beside_the_open_batch(recogniser: MoonshineRecogniser) -> None:
    windows = [np.asarray(window) for window in english_windows(24)]
    joining, apart = windows[::2], windows[1::2]
    assert recogniser.joins(RecognitionOptions())
    assert not recogniser.joins(DOUBTFUL)
    alone = [_recognised(recogniser, window, RecognitionOptions()) for window in joining]
    doubtful = [_recognised(recogniser, window, DOUBTFUL) for window in apart]

    asked = [_Asked(window) for window in joining]
    waiting: Iterator[_Asked] = iter(asked)
    begun = threading.Event()

    def next_one() -> _Asked | None:
        begun.set()
        return next(waiting, None)

    work = threading.Thread(target=recogniser.recognise_open, args=(next_one,))
    work.start()
    begun.wait()
    beside = [_recognised(recogniser, window, DOUBTFUL) for window in apart]
    work.join()
    assert [one.answers for one in asked] == [[one] for one in alone]
    assert beside == doubtful
