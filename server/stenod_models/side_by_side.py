"""A batch shared out among recognisers of the same weights, each in a thread of its own.

Operators of a step are too small to be shared out among cores, and what is done between the graphs cannot be: on two
cores a batch of Whisper base leaves 22 % of them idle where ONNX Runtime alone divides the work.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.recogniser import Int16Audio, Recogniser, Recognition


class SideBySide:
    """Implements `recogniser.Recogniser`. `lanes` are alike, and share nothing that a call writes; each takes its share
    of the profile's largest batch.
    """

    def __init__(self, profile: Profile, lanes: Sequence[Recogniser]) -> None:
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(len(lanes), thread_name_prefix="lane")
        self.profile = profile
        self.max_padding_ratio = lanes[0].max_padding_ratio

    def check(self, language: str, options: RecognitionOptions) -> None:
        self._lanes[0].check(language, options)

    def warm(self) -> None:
        for lane in self._lanes:
            lane.warm()

    def recognise(
        self,
        windows: Sequence[Int16Audio],
        *,
        language: str,
        options: RecognitionOptions,
        is_cancelled: Callable[[int], bool] = lambda _index: False,
    ) -> list[Recognition | None]:
        def recognised(lane: Recogniser, part: Sequence[int]) -> list[Recognition | None]:
            chosen = [windows[index] for index in part]
            return lane.recognise(
                chosen, language=language, options=options, is_cancelled=lambda row: is_cancelled(part[row])
            )

        # Dealt out from the longest down, so that all take about as long.
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index]))
        parts = [part for first in range(len(self._lanes)) if (part := order[first :: len(self._lanes)])]
        running = [self._threads.submit(recognised, *one) for one in zip(self._lanes, parts, strict=False)]
        wait(running)  # whatever becomes of one, the others write into memory that the next batch needs
        results: list[Recognition | None] = [None] * len(windows)
        for part, lane in zip(parts, running, strict=True):
            for index, result in zip(part, lane.result(), strict=True):
                results[index] = result
        return results
