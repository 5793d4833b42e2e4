"""A media file → windows in order of time, then the summary: the audio path of one recording, without processes."""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from stenod_server.audio.crosstalk import without_crosstalk
from stenod_server.audio.cuts import Lengths
from stenod_server.audio.decode import DecodeOptions, Decoding
from stenod_server.audio.levels import HOP_SAMPLES
from stenod_server.audio.media_file import ShapeLimits
from stenod_server.audio.segment import Segmenter
from stenod_server.audio.vad import SpeechModel
from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_samples
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan

_FIRST_PROGRESS_SAMPLES: Final = 10 * SAMPLE_RATE_HZ  # then it is known how long the recording is thought to be
_PROGRESS_SAMPLES: Final = 60 * SAMPLE_RATE_HZ  # each wakes the server; a minute is decoded in some 0.03 s


class InOrder:
    """Numbers the windows of several channels in order of their start."""

    def __init__(self, segmenters: list[Segmenter]) -> None:
        self._segmenters = segmenters
        self._waiting: list[tuple[int, int, int, Window]] = []
        self._pushed = 0
        self.count = 0

    def push(self, window: Window) -> None:
        heapq.heappush(self._waiting, (window.start_samples, window.channel, self._pushed, window))
        self._pushed += 1

    def ready(self, *, everything: bool = False) -> Iterator[Window]:
        """The windows that no later one can precede."""
        bound = min(segmenter.next_start_samples for segmenter in self._segmenters)
        while self._waiting and (everything or self._waiting[0][0] <= bound):
            window = heapq.heappop(self._waiting)[-1]
            yield replace(window, index=self.count)
            self.count += 1


def recording(path: Path, plan: WindowPlan, model: SpeechModel) -> Iterator[Window | AudioProgress | AudioSummary]:
    """Stream the windows of a media file; the last item is the AudioSummary. Sync, CPU-bound, constant memory.

    Raises UnsupportedMedia, NoAudio, LimitExceeded, DecoderDied, MemoryError.
    """
    options = DecodeOptions(
        start_s=plan.start_s,
        end_s=plan.end_s,
        per_channel=plan.per_channel,
        max_decoded_s=plan.max_decoded_s,
        shape=ShapeLimits(max_channels=plan.max_channels, max_sample_rate_hz=plan.max_sample_rate_hz),
    )
    lengths = Lengths(
        target=max(1, plan.window_target_samples // HOP_SAMPLES),
        maximum=max(1, plan.window_max_samples // HOP_SAMPLES),
        chunk=max(1, plan.chunks.kept_samples // HOP_SAMPLES),
        left=plan.chunks.left_samples // HOP_SAMPLES,
        right=plan.chunks.right_samples // HOP_SAMPLES,
    )
    with Decoding(path, options) as decoding:
        first_sample = to_samples(plan.start_s)
        segmenters = [
            Segmenter(model, lengths, channel=channel, first_sample=first_sample)
            for channel in range(decoding.channels)
        ]
        order = InOrder(segmenters)
        told_at_samples = _FIRST_PROGRESS_SAMPLES
        for block in without_crosstalk(decoding.blocks(), decoding.channels):
            for segmenter, samples in zip(segmenters, block, strict=True):
                for window in segmenter.feed(samples):
                    order.push(window)
            yield from order.ready()
            if decoding.position_samples >= told_at_samples:
                told_at_samples += _PROGRESS_SAMPLES
                yield AudioProgress(decoding.position_samples, decoding.info.estimated_samples)
        for segmenter in segmenters:
            for window in segmenter.finish():
                order.push(window)
        yield from order.ready(everything=True)
        yield AudioSummary(
            duration_samples=decoding.position_samples,
            speech_samples=sum(segmenter.speech_samples for segmenter in segmenters),
            windows=order.count,
            channels=decoding.info.channels,
            sample_rate_hz=decoding.info.sample_rate_hz,
            codec=decoding.info.codec,
            container=decoding.info.container,
            damage=decoding.damage,
        )
