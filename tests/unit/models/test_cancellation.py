"""Triton is asked at once and then now and then, not between any two steps of a model."""

from stenod_models.cancellation import ASK_EVERY_S, Cancellation


class Window:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.is_cancelled = False
        self.questions = 0
        self.ask = Cancellation(self._answer, lambda: self.now_s)

    def _answer(self) -> bool:
        self.questions += 1
        return self.is_cancelled


def test_the_first_question_is_asked_at_once() -> None:
    window = Window()
    window.is_cancelled = True
    assert window.ask()


def test_a_model_may_ask_between_any_two_steps() -> None:
    window = Window()
    for _ in range(1000):
        window.now_s += ASK_EVERY_S / 100
        assert not window.ask()
    assert 10 <= window.questions <= 11


def test_it_is_known_soon() -> None:
    window = Window()
    assert not window.ask()
    window.is_cancelled = True
    assert not window.ask()
    window.now_s += ASK_EVERY_S
    assert window.ask()


def test_who_is_cancelled_is_not_asked_again() -> None:
    window = Window()
    window.is_cancelled = True
    for _ in range(5):
        window.now_s += ASK_EVERY_S
        assert window.ask()
    assert window.questions == 1
