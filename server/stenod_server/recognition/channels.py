"""The channels of a recording side by side: each has a stitcher and a guard of its own; their segments come out
together, in order of their start. Pure; what waits spans about one window, however many channels are silent.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stenod_server.domain.transcript import Segment
from stenod_server.ports import WindowResult
from stenod_server.recognition.guard import Guard, GuardLimits, Verdict
from stenod_server.recognition.stitch import Frame, SegmentRules, Stitcher, pack_words, segment_of, unpack_words


@dataclass(frozen=True, slots=True)
class Lane:
    """What is carried from window to window of one channel."""

    stitcher: Stitcher
    guard: Guard


class Channels:
    """Takes windows in order of their start over all channels, as the front end gives them.

    So no word that is still to come starts before the last window did. Where a segment of one channel is whole, it goes
    out once none of the others can begin before it: their open segments do not, and they have none that waits. An open
    segment of a channel that fell silent ends as soon as other channels show that the pause is long enough.
    """

    def __init__(self, rules: SegmentRules, limits: GuardLimits, *, several: bool) -> None:
        self._rules = rules
        self._limits = limits
        self._several = several
        self._lanes: dict[int, Lane] = {}
        self._waiting: list[tuple[int, int, int, Segment]] = []  # a heap: start, channel, order of coming
        self._pushed = 0
        self._place_samples = 0  # no later window starts before it

    @property
    def waiting(self) -> int:
        """Segments that are whole and wait for those of other channels."""
        return len(self._waiting)

    def remember(self) -> dict[str, Any]:
        """See `Stitcher.remember`."""
        return {
            "lanes": [
                [channel, lane.stitcher.remember(), lane.guard.remember()] for channel, lane in self._lanes.items()
            ],
            "waiting": [[channel, pack_words(segment.words)] for _, channel, _, segment in sorted(self._waiting)],
            "place": self._place_samples,
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """See `Stitcher.recall`."""
        for channel, stitcher, guard in memory["lanes"]:
            self._lane(channel).stitcher.recall(stitcher)
            self._lane(channel).guard.recall(guard)
        for channel, words in memory["waiting"]:
            self._push(channel, [segment_of(unpack_words(words))])
        self._place_samples = int(memory["place"])

    def inspect(self, frame: Frame, result: WindowResult) -> Verdict:
        """The window's words that are its own, in samples of the file, and what was odd about them."""
        lane = self._lane(frame.channel)
        words = lane.stitcher.place(frame, result.words)
        return lane.guard.inspect(words, no_speech=result.no_speech, window_samples=frame.kept_samples)

    def feed(self, frame: Frame, verdict: Verdict) -> list[Segment]:
        """Add the words of the next window; gives the segments that come next."""
        self._place_samples = frame.start_samples
        self._push(frame.channel, self._lane(frame.channel).stitcher.feed(frame, verdict.words))
        for channel, lane in self._lanes.items():
            self._push(channel, lane.stitcher.pause(frame.start_samples))
        return list(self._ready())

    def finish(self) -> list[Segment]:
        """The rest."""
        for channel, lane in self._lanes.items():
            self._push(channel, lane.stitcher.finish())
        return [heapq.heappop(self._waiting)[-1] for _ in range(len(self._waiting))]

    def _lane(self, channel: int) -> Lane:
        if channel not in self._lanes:
            self._lanes[channel] = Lane(Stitcher(self._rules), Guard(self._limits))
        return self._lanes[channel]

    def _push(self, channel: int, segments: Sequence[Segment]) -> None:
        for segment in segments:
            heapq.heappush(self._waiting, (segment.start_samples, channel, self._pushed, segment))
            self._pushed += 1

    def _ready(self) -> Iterator[Segment]:
        bound = self._bound()
        while self._waiting and self._waiting[0][:2] <= bound:
            yield heapq.heappop(self._waiting)[-1]

    def _bound(self) -> tuple[int, int]:
        """Where the next segment starts at the earliest, and its channel."""
        bounds = [(lane.stitcher.next_start(self._place_samples), channel) for channel, lane in self._lanes.items()]
        if self._several:  # one that was silent until now may come
            bounds.append((self._place_samples, 0))
        return min(bounds)
