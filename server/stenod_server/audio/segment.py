"""One channel's audio → windows of speech: a streaming state machine, independent of how the audio arrives.

Levels decide where they tell enough; Silero is asked whether there is speech in a window at all (a moment of it, as a
rule), and for the whole stretch where noise or music hides the pauses.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from stenod_server.audio.channel_audio import ChannelAudio
from stenod_server.audio.cuts import LONG_PAUSE, MARGIN, Cut, Lengths, Stretch, cut_at_pause, cut_at_seam
from stenod_server.audio.levels import HOP_SAMPLES, Gate, Levels, Mask, gate, hops, runs, widen
from stenod_server.audio.vad import SpeechModel
from stenod_server.ports import Int16Audio, Window

_CLEAR_CONTRAST_DB: Final = 18.0  # speech stands out from what is around it: its pauses can be seen in the levels
_PROBE: Final = hops(0.64)
_SURE: Final = hops(0.224)  # seven frames: a click or a note does not pass for speech, the shortest word does
_SPEECH_PROBABILITY: Final = 0.5
_MAYBE_PROBABILITY: Final = 0.2
_SLACK: Final = hops(0.5)  # silence at the start of a stretch that is not worth another look
_KEPT_SILENCE: Final = hops(1.0)


def has_speech(probabilities: Levels) -> bool:
    """Whether Silero is sure for long enough."""
    return bool(len(probabilities) and _sustained(probabilities).max() >= _SPEECH_PROBABILITY)


def _sustained(probabilities: Levels) -> Levels:
    width = min(_SURE, len(probabilities))
    summed = np.concatenate([[0.0], np.cumsum(probabilities, dtype=np.float64)])
    sustained: Levels = ((summed[width:] - summed[:-width]) / width).astype(np.float32)
    return sustained


def speech_mask(probabilities: Levels) -> Mask:
    """Where there is speech: what Silero is sure of, and what it thinks possible around it."""
    mask = np.zeros(len(probabilities), np.bool_)
    for begin, end in runs(probabilities >= _MAYBE_PROBABILITY):
        mask[begin:end] = probabilities[begin:end].max() >= _SPEECH_PROBABILITY
    return widen(mask, hops(0.08))


def _around(heard: Mask, start: int, end: int) -> tuple[int, int]:
    where = np.flatnonzero(heard)
    return max(start, start + int(where[0]) - MARGIN), min(end, start + int(where[-1]) + 1 + MARGIN)


class Segmenter:
    """Cuts one channel. Feed it, then finish it; windows come in order, `index` is left 0 for the caller to number.

    Holds at most the longest window and some seconds. `speech_samples` counts the speech inside the windows given.
    """

    def __init__(self, model: SpeechModel, lengths: Lengths, *, channel: int = 0, first_sample: int = 0) -> None:
        self._audio = ChannelAudio(model, first_sample=first_sample)
        self._lengths = lengths.fitted()
        self._channel = channel
        self._from = 0  # everything before is windowed or skipped
        self._after_seam = False
        self.speech_samples = 0

    @property
    def next_start_samples(self) -> int:
        """No later window starts before this place in the file."""
        return self._audio.to_samples(max(self._audio.begin, self._from - self._context()))

    def feed(self, block: Int16Audio) -> Iterator[Window]:
        """Take int16 (samples,) at 16 000 Hz; give the windows that are decided."""
        self._audio.append(block)
        yield from self._decide()

    def finish(self) -> Iterator[Window]:
        """No more audio comes; give the rest."""
        self._audio.complete()
        yield from self._decide()

    def _decide(self) -> Iterator[Window]:
        reach = self._lengths.maximum + LONG_PAUSE + _SLACK
        while self._from < self._audio.end and (self._audio.is_complete or self._audio.knows(self._from + reach)):
            end = min(self._audio.end, self._from + reach)
            window = self._next(end, is_last=self._audio.is_complete and end == self._audio.end)
            if window is not None:
                yield window
            self._audio.forget(self._from - self._lengths.left)

    def _context(self) -> int:
        return min(self._lengths.left, self._from - self._audio.begin) if self._after_seam else 0

    def _next(self, end: int, *, is_last: bool) -> Window | None:
        """Decide about the stretch [from, end): move `from` on, perhaps give a window."""
        base = self._from
        look = gate(self._audio.levels(base, end))
        is_clear = look.contrast_db >= _CLEAR_CONTRAST_DB
        speech = look.active if is_clear else self._heard(base, end, look.active)
        if not speech.any():
            self._move_to(end if is_last else max(base + 1, end - _KEPT_SILENCE))
            return None
        start = max(0, int(np.argmax(speech)) - MARGIN)
        if start > 0:
            self._after_seam = False
        if start > _SLACK and not is_last:
            self._move_to(base + start)
            return None
        cut = self._cut(Stretch(speech, look.smoothed, is_last), start)
        window = self._window(base, cut, look, speech, is_clear=is_clear)
        self._move_to(base + cut.resume, after_seam=cut.is_seam)
        return window

    def _move_to(self, hop: int, *, after_seam: bool = False) -> None:
        self._from, self._after_seam = hop, after_seam

    def _heard(self, base: int, end: int, active: Mask) -> Mask:
        return speech_mask(self._audio.speech(base, end, widen(active, MARGIN)))

    def _cut(self, stretch: Stretch, start: int) -> Cut:
        limit = start + self._lengths.maximum - self._context()
        cut = cut_at_pause(stretch, start, limit, self._lengths)
        return cut or cut_at_seam(stretch.levels, start, self._lengths)

    def _window(self, base: int, cut: Cut, look: Gate, speech: Mask, *, is_clear: bool) -> Window | None:
        start, end = cut.start, cut.end
        if not is_clear and not has_speech(self._audio.speech(base + start, base + end, speech[start:end])):
            return None
        if is_clear and not self._probe_hears(base, cut, look):
            heard = self._heard(base + start, base + end, look.active[start:end])
            if not has_speech(self._audio.speech(base + start, base + end, heard)):
                return None
            if not (cut.is_seam or self._after_seam):
                start, end = _around(heard, start, end)
        self.speech_samples += int(speech[start:end].sum()) * HOP_SAMPLES
        return self._build(base + start, base + end, is_seam=cut.is_seam)

    def _probe_hears(self, base: int, cut: Cut, look: Gate) -> bool:
        """Ask Silero about the loudest moment only: where people speak at all, it is speech nearly always."""
        loudness = look.smoothed[cut.start : cut.end]
        width = min(_PROBE, len(loudness))
        summed = np.concatenate([[0.0], np.cumsum(loudness, dtype=np.float64)])
        first = base + cut.start + int(np.argmax(summed[width:] - summed[:-width]))
        return has_speech(self._audio.speech(first, first + width))

    def _build(self, start: int, end: int, *, is_seam: bool) -> Window:
        audio_start = start - self._context()
        audio_end = min(end + self._lengths.right, self._audio.end) if is_seam else end
        return Window(
            index=0,
            start_samples=self._audio.to_samples(audio_start),
            audio=self._audio.audio(audio_start, audio_end),
            keep_start_samples=self._audio.to_samples(start),
            keep_end_samples=self._audio.to_samples(end),
            channel=self._channel,
        )
