"""Spans of a recording's voices, in columns: a few numbers each, however long the recording is."""

from array import array
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from stenod_server.ports import VoiceSpan
from stenod_server.speakers.packing import packed, unpacked_places

Places = npt.NDArray[np.int64]


class HeardSpans:
    """In the order in which they came. Times are samples of the file; `voices` counts the recording's voices."""

    def __init__(self) -> None:
        self._starts, self._ends, self._voices = array("q"), array("q"), array("q")
        self._until_samples = 0  # how far the windows before have told
        self._end_samples = 0  # how far the window told of last has

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start_samples: int, span: VoiceSpan, voice: int) -> None:
        """A span of a window that starts at `start_samples`. What an earlier window has told of is not taken again:
        windows that share some speech are heard twice in it.
        """
        start, end = max(start_samples + span.start_samples, self._until_samples), start_samples + span.end_samples
        if start < end:
            self._starts.append(start)
            self._ends.append(end)
            self._voices.append(voice)
            self._end_samples = max(self._end_samples, end)

    def close_window(self) -> None:
        """The next spans are of a later window."""
        self._until_samples = self._end_samples

    def columns(self) -> tuple[Places, Places, Places]:
        """Starts, ends, voices."""
        starts, ends, voices = (np.array(column, np.int64) for column in (self._starts, self._ends, self._voices))
        return starts, ends, voices

    def remember(self) -> dict[str, Any]:
        starts, ends, voices = self.columns()
        return {
            "starts": packed(starts, as_steps=True),
            "lengths": packed(ends - starts),
            "voices": packed(voices, as_steps=True),
            "until": self._until_samples,  # windows are remembered whole
        }

    @classmethod
    def recall(cls, memory: Mapping[str, Any]) -> Self:
        spans = cls()
        starts = unpacked_places(memory["starts"], as_steps=True)
        ends = starts + unpacked_places(memory["lengths"])
        voices = unpacked_places(memory["voices"], as_steps=True)
        spans._starts, spans._ends, spans._voices = (array("q", column.tolist()) for column in (starts, ends, voices))
        spans._until_samples = spans._end_samples = int(memory["until"])
        return spans
