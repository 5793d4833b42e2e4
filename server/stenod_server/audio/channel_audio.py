"""What is known of the not yet windowed part of a channel: its samples, its levels, and Silero's answers so far."""

import numpy as np

from stenod_server.audio.levels import HOP_SAMPLES, Levels, Mask, hop_levels, runs
from stenod_server.audio.vad import FRAME_SAMPLES, Probabilities, SpeechModel
from stenod_server.ports import Int16Audio

HOPS_A_FRAME = FRAME_SAMPLES // HOP_SAMPLES
_WARM_UP_FRAMES = 10  # 0.32 s: Silero's answers then equal those of a run from the start
_BRIDGE_FRAMES = 16  # stretches closer than this are asked in one go: cheaper than another warm-up


class ChannelAudio:
    """A sliding buffer. Positions are hops from the start of the file; `begin` is the oldest one still kept.

    Silero is asked only for the frames someone wants to know about, and for none of them twice.
    """

    def __init__(self, model: SpeechModel, *, first_sample: int) -> None:
        self._model = model
        self._origin_samples = first_sample  # hop 0; a trimmed file starts later than its sample 0
        self._samples = np.zeros(0, np.int16)
        self._levels = np.zeros(0, np.float32)
        self._speech = np.zeros(0, np.float32)  # per frame; not-a-number = not asked yet
        self._used = 0  # samples in the buffer, from `begin` on
        self.begin = 0
        self.is_complete = False

    @property
    def end(self) -> int:
        """Behind the last hop whose level is known."""
        return self.begin + len(self._levels)

    def knows(self, end: int) -> bool:
        """Whether the audio before that hop is here, with the whole of the frame it lies in."""
        return self.end >= -(-end // HOPS_A_FRAME) * HOPS_A_FRAME

    def append(self, block: Int16Audio) -> None:
        """Add int16 (samples,)."""
        needed = self._used + len(block)
        if needed > len(self._samples):
            grown = np.zeros(max(needed, 2 * len(self._samples)), np.int16)
            grown[: self._used] = self._samples[: self._used]
            self._samples = grown
        self._samples[self._used : needed] = block
        self._used = needed
        self._measure(needed // HOP_SAMPLES)

    def complete(self) -> None:
        """No more audio comes: a last hop that is not whole counts as one."""
        self.is_complete = True
        whole = -(-self._used // HOP_SAMPLES)
        if whole > len(self._levels):
            used = self._used
            self.append(np.zeros(whole * HOP_SAMPLES - used, np.int16))
            self._used = used

    def _measure(self, hops_now: int) -> None:
        known = len(self._levels)
        if hops_now > known:
            fresh = hop_levels(self._samples[known * HOP_SAMPLES : hops_now * HOP_SAMPLES])
            self._levels = np.concatenate([self._levels, fresh])
        frames = -(-hops_now // HOPS_A_FRAME)
        if frames > len(self._speech):
            unknown = np.full(frames - len(self._speech), np.nan, np.float32)
            self._speech = np.concatenate([self._speech, unknown])

    def forget(self, before: int) -> None:
        """Drop whole frames before that hop."""
        frames = (min(before, self.end) - self.begin) // HOPS_A_FRAME
        if frames <= 0:
            return
        samples = min(frames * FRAME_SAMPLES, self._used)
        # A copy, so that the old buffer can go; it is seldom done, and the buffer is short.
        self._samples = self._samples[samples : self._used].copy()
        self._used -= samples
        self._levels = self._levels[frames * HOPS_A_FRAME :].copy()
        self._speech = self._speech[frames:].copy()
        self.begin += frames * HOPS_A_FRAME

    def levels(self, begin: int, end: int) -> Levels:
        return self._levels[begin - self.begin : end - self.begin]

    def to_samples(self, hop: int) -> int:
        """The place in the file, never beyond its last sample."""
        return self._origin_samples + min(hop * HOP_SAMPLES, self.begin * HOP_SAMPLES + self._used)

    def audio(self, begin: int, end: int) -> Int16Audio:
        """A copy of int16 (samples,); shorter than asked at the end of the file."""
        first, last = (hop - self.begin for hop in (begin, end))
        return self._samples[first * HOP_SAMPLES : min(last * HOP_SAMPLES, self._used)].copy()

    def speech(self, begin: int, end: int, wanted: Mask | None = None) -> Levels:
        """Silero's probability for each hop of [begin, end); 0 where `wanted` is false and nobody asked before."""
        first, last = ((hop - self.begin) for hop in (begin, end))
        first_frame, last_frame = first // HOPS_A_FRAME, -(-last // HOPS_A_FRAME)
        asked = np.zeros(last_frame * HOPS_A_FRAME, np.bool_)
        asked[first:last] = True if wanted is None else wanted
        frames = asked.reshape(-1, HOPS_A_FRAME).any(axis=1)
        self._ask(frames & np.isnan(self._speech[:last_frame]))
        known = np.nan_to_num(self._speech[first_frame:last_frame], nan=0.0)
        offset = first - first_frame * HOPS_A_FRAME
        return np.repeat(known, HOPS_A_FRAME)[offset : offset + end - begin]

    def _ask(self, unknown: Mask) -> None:
        stretches: list[tuple[int, int]] = []
        for begin, end in runs(unknown):
            if stretches and begin - stretches[-1][1] < _BRIDGE_FRAMES:
                stretches[-1] = (stretches[-1][0], end)
            else:
                stretches.append((begin, end))
        for begin, end in stretches:
            warm = max(0, begin - _WARM_UP_FRAMES)
            answers: Probabilities = self._model.probabilities(self._frames(warm, end))
            self._speech[begin:end] = answers[begin - warm :]

    def _frames(self, begin: int, end: int) -> Int16Audio:
        audio = self._samples[begin * FRAME_SAMPLES : min(end * FRAME_SAMPLES, self._used)]
        return np.pad(audio, (0, (end - begin) * FRAME_SAMPLES - len(audio)))
