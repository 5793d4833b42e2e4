"""A batch that stays open: windows that arrive join those in work, and each is answered as soon as it is done. No
Triton in here.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from stenod_models.batching import recognise_apart
from stenod_models.contract import AUTO_LANGUAGE, RecognitionOptions
from stenod_models.recogniser import Asked, OpenRecogniser, Recognition

_log = logging.getLogger(__name__)


class Joining(Asked, Protocol):
    """`fail` is an answer, too."""

    @property
    def is_answered(self) -> bool: ...

    def fail(self, error: Exception) -> None: ...


_Window = TypeVar("_Window", bound=Joining)


class OpenBatch(Generic[_Window]):
    """Recognises in a thread of its own. `put` and `close` may be called in any thread."""

    def __init__(self, recogniser: OpenRecogniser) -> None:
        self._recogniser = recogniser
        self._changed = threading.Condition()
        self._waiting: deque[_Window] = deque()
        self._is_closed = False
        self._is_beginning = False  # with the window taken last, which may have taken the last row
        self._taken: list[_Window] = []  # by the recogniser, and perhaps answered since; of its thread only
        self._thread = threading.Thread(target=self._work, name="open-batch", daemon=True)
        self._thread.start()

    def put(self, windows: Sequence[_Window]) -> None:
        """Longest first. Blocks until all are in work and there is room for more: who waits does so in Triton's queue,
        which knows priorities, and gives a window to the instance that can begin with it first.
        """
        with self._changed:
            self._waiting.extend(sorted(windows, key=lambda window: -len(window.audio)))
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._is_beginning)

    def close(self) -> None:
        """Blocks until every window is answered."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while self._has_work():
            try:
                self._recogniser.recognise_open(self._next)
            except Exception:  # noqa: BLE001 - whatever it is, it is not all windows' fault
                _log.exception("an open batch failed")
                self._recover()
            self._taken.clear()
            with self._changed:
                self._note_room()

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return bool(self._waiting)

    def _next(self) -> _Window | None:
        with self._changed:
            if not self._waiting:
                self._note_room()
                return None
            window = self._waiting.popleft()
            self._is_beginning = True
        self._taken = [*(one for one in self._taken if not one.is_answered), window]
        return window

    def _note_room(self) -> None:
        """Whoever asks for a window is done with beginning the one before."""
        self._is_beginning = False
        self._changed.notify_all()

    def _recover(self) -> None:
        """Recognise what has no answer as one batch, or apart, so that a window takes none of the others down. Where
        nothing was taken, the next one: whatever happens, windows do not wait for ever.
        """
        if not self._taken:
            self._next()
        windows = [window for window in self._taken if not window.is_answered]
        if not windows:
            return
        results = recognise_apart(windows, self._together, lambda _window, error: error)
        for window, result in zip(windows, results, strict=True):
            if isinstance(result, Exception):
                window.fail(result)
            else:
                window.answer(result)

    def _together(self, windows: Sequence[_Window]) -> list[Recognition | Exception | None]:
        return [
            *self._recogniser.recognise(
                [window.audio for window in windows],
                language=AUTO_LANGUAGE,
                options=RecognitionOptions(),
                is_cancelled=lambda index: windows[index].is_cancelled(),
            )
        ]
