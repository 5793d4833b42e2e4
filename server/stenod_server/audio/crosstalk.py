"""Where the channels of a recording hear each other: what is no speech of a channel's own is taken out of it.

A channel that another one bleeds into carries that one's signal, much quieter, delayed and filtered by the way between
them. That way stays the same for long, so it is learnt as a transfer function, by least squares over the moments in
which the other channel is much the louder: cross spectrum over power spectrum, the Wiener filter in the frequency
domain (Bendat and Piersol, Random Data, 1971). What the filter makes of the louder channel is taken from the quieter
one: where little remains, nobody speaks there, and the channel is muted. Where both speak at once, the own voice is
what remains. So is a soft voice that no other channel explains: it stays as it is, to the sample.

Each channel is compared with the loudest of the moment alone: work grows with the channels, not with their pairs.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_server.audio.resample import Block
from stenod_server.domain.audio import SAMPLE_RATE_HZ

_HOP: Final = 1024  # 64 ms: what is muted, or not
_FRAME: Final = 4 * _HOP  # so that a delay of 30 ms between the channels is short against it
_BEFORE: Final = _FRAME // 2
_WINDOW: Final = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
_AHEAD: Final = 2 * SAMPLE_RATE_HZ // _HOP  # frames learnt from before one is judged: the first words are bleed as well
_FORGET: Final = 0.998  # with each frame that is learnt: half of what is known is of the last 22 s
_ENOUGH: Final = 12.0  # frames; a filter that is learnt from fewer explains anything
_MUCH_QUIETER: Final = 10 ** (-6 / 10)
_AUDIBLE: Final = 10 ** (-55 / 10)  # of full scale: what is quieter is not heard in other channels
_SILENT: Final = 10 ** (-80 / 10)
_REMAINS_RATIO: Final = 0.4

Spectrum = npt.NDArray[np.complex64]
Samples = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Way:
    """How one channel is heard in another. Some 25 kB."""

    _cross: Spectrum = field(default_factory=lambda: np.zeros(_FRAME // 2 + 1, np.complex64))
    _power: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(_FRAME // 2 + 1, np.float32))
    _weight: float = 0.0
    _squares: float = 0.0
    _explained: float = 0.0

    def learn(self, here: Spectrum, there: Spectrum, weight: np.float32) -> None:
        """From a moment that weighs so much."""
        self._cross = _FORGET * self._cross + weight * here * there.conj()
        self._power = _FORGET * self._power + weight * (there * there.conj()).real
        self._weight = _FORGET * self._weight + float(weight)
        self._squares = _FORGET**2 * self._squares + float(weight) ** 2
        self._explained *= _FORGET

    def explains(self, here: Spectrum, there: Spectrum) -> bool:
        """Whether little remains of `here` without what comes from `there`."""
        if self._weight**2 < _ENOUGH * self._squares:  # so many frames of one weight tell as much
            return False
        rest = here - self.heard(there)
        is_explained = bool(np.vdot(rest, rest).real < _REMAINS_RATIO * np.vdot(here, here).real)
        self._explained += is_explained
        return is_explained

    @property
    def is_sure(self) -> bool:
        """Whether it is there: some moments were heard that it explains."""
        return self._explained >= _ENOUGH

    def heard(self, there: Spectrum) -> Spectrum:
        heard: Spectrum = self._cross / (self._power + np.float32(1e-9)) * there
        return heard


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A moment: the loudest channel, and those that may hear nothing but that one. Their spectra."""

    loudest: int
    there: Spectrum
    here: dict[int, Spectrum]


@dataclass(frozen=True, slots=True, eq=False)
class _Verdict:
    """On a frame: which channels (channels,) have nothing of their own, and what is heard in some of the others."""

    foreign: npt.NDArray[np.bool_]
    bleed: dict[int, Samples]


class _Ears:
    """Learns the ways between channels frame by frame, and judges each frame two seconds later."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._ways: dict[tuple[int, int], _Way] = {}
        self._frames: deque[_Frame] = deque()

    def learn(self, audio: Block) -> None:
        """Int16 (channels, _FRAME)."""
        samples = audio.astype(np.float32) * (_WINDOW / 32768)
        powers = np.einsum("ij,ij->i", samples, samples) / np.float32(np.sum(_WINDOW**2))
        loudest = int(np.argmax(powers))
        if powers[loudest] < _AUDIBLE:
            self._frames.append(_Frame(loudest, np.zeros(0, np.complex64), {}))
            return
        doubtful = np.flatnonzero((powers < _MUCH_QUIETER * powers[loudest]) & (powers > _SILENT)).tolist()
        there, *spectra = np.fft.rfft(samples[[loudest, *doubtful]]).astype(np.complex64)
        here = dict(zip(doubtful, spectra, strict=True))
        for channel, spectrum in here.items():
            # The larger the difference, the less of it can be a voice of its own: least squares weighted by that.
            self._ways.setdefault((loudest, channel), _Way()).learn(spectrum, there, powers[loudest] / powers[channel])
        self._frames.append(_Frame(loudest, there, here))

    def judged(self, *, everything: bool = False) -> Iterator[_Verdict]:
        """The oldest frames."""
        while len(self._frames) > (0 if everything else _AHEAD):
            yield self._judge(self._frames.popleft())

    def _judge(self, frame: _Frame) -> _Verdict:
        foreign = np.zeros(self._channels, np.bool_)
        for channel, spectrum in frame.here.items():
            foreign[channel] = self._ways[frame.loudest, channel].explains(spectrum, frame.there)
        bleed = {}
        for channel in range(self._channels) if len(frame.there) else ():
            way = self._ways.get((frame.loudest, channel))
            if way and way.is_sure and not foreign[channel]:
                bleed[channel] = np.fft.irfft(way.heard(frame.there)).astype(np.float32)
        return _Verdict(foreign, bleed)


class CrossTalk:
    """Takes and gives int16 (channels, samples), all of them, some three seconds later. Sync, CPU-bound.

    Frames lie around the places where hops meet; a hop is muted where the frames at both of its ends are foreign. What
    is heard in the others is added up over the four frames that a hop lies in: their windows add up to 2.
    """

    def __init__(self, channels: int) -> None:
        self._ears = _Ears(channels)
        self._audio = np.zeros((channels, _BEFORE), np.int16)  # from `_BEFORE` samples before the next hop to give
        self._bleed = np.zeros((channels, _BEFORE), np.float32)  # beside it
        self._learnt = 0  # frames of that audio; they start a hop apart
        self._foreign: list[npt.NDArray[np.bool_]] = []  # of those that are judged

    def heard(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same audio, without what channels hear of each other."""
        for block in blocks:
            yield from self._feed(block)
        rest = self._audio.shape[1] - _BEFORE
        # Up to a last frame behind the end; what that adds is cut off again.
        for block in self._feed(np.zeros((len(self._audio), _FRAME + _HOP), np.int16), is_last=True):
            yield block[:, :rest]

    def _feed(self, block: Block, *, is_last: bool = False) -> Iterator[Block]:
        self._audio = np.concatenate([self._audio, block], axis=1)
        self._bleed = np.concatenate([self._bleed, np.zeros(block.shape, np.float32)], axis=1)
        while (self._learnt * _HOP + _FRAME) <= self._audio.shape[1]:
            first = self._learnt * _HOP
            self._ears.learn(self._audio[:, first : first + _FRAME])
            self._learnt += 1
        for verdict in self._ears.judged(everything=is_last):
            self._take_in(verdict)
        hops = len(self._foreign) - 2
        if hops > 0:
            yield self._cleaned(hops)
            self._forget(hops)

    def _take_in(self, verdict: _Verdict) -> None:
        first = len(self._foreign) * _HOP
        for channel, samples in verdict.bleed.items():
            self._bleed[channel, first : first + _FRAME] += samples * np.float32(32768 / 2)
        self._foreign.append(verdict.foreign)

    def _cleaned(self, hops: int) -> Block:
        marks = np.stack(self._foreign[: hops + 1], axis=1)
        is_muted = np.repeat(marks[:, :-1] & marks[:, 1:], _HOP, axis=1)
        place = slice(_BEFORE, _BEFORE + hops * _HOP)
        own = np.rint(self._audio[:, place] - self._bleed[:, place])
        cleaned: Block = np.where(is_muted, 0, np.clip(own, -32768, 32767)).astype(np.int16)
        return cleaned

    def _forget(self, hops: int) -> None:
        self._audio = self._audio[:, hops * _HOP :].copy()
        self._bleed = self._bleed[:, hops * _HOP :].copy()
        self._learnt -= hops
        del self._foreign[:hops]


def without_crosstalk(blocks: Iterable[Block], channels: int) -> Iterator[Block]:
    """Blocks of int16 (channels, samples), in all as many samples as come."""
    return CrossTalk(channels).heard(blocks) if channels > 1 else iter(blocks)
