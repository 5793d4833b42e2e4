"""Channels that hear each other, made of channels that do not."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from stenod_server.audio.decode import DecodeOptions, Decoding
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from tests.support.speech import recordings

Channels = npt.NDArray[np.int16]  # (channels, samples) at 16 000 Hz
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Way:
    """From one channel into another: how much later it arrives, and above which frequency little does."""

    name: str
    delay_ms: float = 0.0
    treble_hz: float = 0.0

    def heard(self, audio: Samples) -> Samples:
        taps = np.ones(1)
        if self.treble_hz:
            taps = np.hanning(round(2 * HZ / self.treble_hz) + 2)
            taps /= taps.sum()
        taps = np.concatenate([np.zeros(round(self.delay_ms * HZ / 1000)), taps])
        return np.convolve(audio, taps)[: len(audio)]


PLAIN = Way("plain")
DELAYED = Way("12 ms later", delay_ms=12.0)
FILTERED = Way("3 ms later, below 1.8 kHz", delay_ms=3.0, treble_hz=1800.0)


def bleeding(own: Channels, level_db: float, way: Way = PLAIN) -> Channels:
    """Each channel with the signals of all others added, so much quieter, by that way."""
    heard = np.stack([way.heard(channel.astype(np.float64)) for channel in own]) * 10 ** (level_db / 20)
    mixed: Channels = np.clip(np.rint(own + heard.sum(axis=0) - heard), -32768, 32767).astype(np.int16)
    return mixed


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody says on a channel."""

    channel: int
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Two people, each on a channel of their own; `turns` in order of time."""

    audio: Channels
    turns: tuple[Turn, ...]

    @classmethod
    def arranged(cls) -> Self:
        """The recording of the speech set: one speaks when the other is silent."""
        [one] = [recording for recording in recordings("dual_channel") if recording.fields["channels"] == 2]
        with Decoding(one.path, DecodeOptions(per_channel=True)) as decoding:
            audio = np.concatenate(list(decoding.blocks()), axis=1)
        segments = one.fields["segments"]
        names = list(dict.fromkeys(segment["speaker"] for segment in segments))
        turns = (
            Turn(names.index(segment["speaker"]), segment["start"], segment["end"], segment["text"])
            for segment in segments
        )
        return cls(audio, tuple(turns))

    def until(self, end_s: float) -> "Call":
        """Its beginning, cut where nobody speaks."""
        kept = tuple(turn for turn in self.turns if turn.end_s < end_s)
        end = round((kept[-1].end_s + 0.2) * HZ)
        return Call(self.audio[:, :end], kept)

    def at_once(self) -> "Call":
        """The second channel some of its turns earlier, those that this leaves no room for at the end."""
        second = [turn for turn in self.turns if turn.channel == 1]
        by_s = second[1].start_s - 0.5
        audio = np.stack([self.audio[0], np.roll(self.audio[1], -round(by_s * HZ))])
        length_s = self.audio.shape[1] / HZ
        moved = (
            Turn(1, (turn.start_s - by_s) % length_s, (turn.end_s - by_s) % length_s, turn.text) for turn in second
        )
        first = (turn for turn in self.turns if turn.channel == 0)
        return Call(audio, tuple(sorted((*first, *moved), key=lambda turn: turn.start_s)))

    def text(self, channel: int) -> str:
        return " ".join(turn.text for turn in self.turns if turn.channel == channel)

    @property
    def overlap_s(self) -> float:
        """How long both speak."""
        edges = sorted(edge for turn in self.turns for edge in ((turn.start_s, 1), (turn.end_s, -1)))
        speaking, both_s = 0, 0.0
        for (at_s, step), (next_s, _) in pairwise(edges):
            speaking += step
            both_s += (next_s - at_s) * (speaking > 1)
        return both_s
