"""Where the channels of a recording hear each other: what is no speech of a channel's own is muted in it.

A channel that another one bleeds into carries that one's signal, much quieter, delayed and filtered by the way between
them. That way stays the same for long, so it is learnt as a transfer function, by least squares over the moments in
which the other channel is much the louder: cross spectrum over power spectrum, the Wiener filter in the frequency
domain (Bendat and Piersol, Random Data, 1971). What the filter makes of the louder channel is taken from the quieter
one: where little remains, nobody speaks there. Where both speak at once, the own voice remains, and the channel stays
as it is. So does a soft voice that nobody else's channel explains.

Each channel is compared with the loudest of the moment alone: work grows with the channels, not with their pairs.
"""

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


@dataclass(slots=True)
class _Way:
    """How one channel is heard in another. Some 25 kB."""

    _cross: Spectrum = field(default_factory=lambda: np.zeros(_FRAME // 2 + 1, np.complex64))
    _power: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(_FRAME // 2 + 1, np.float32))
    _frames: float = 0.0

    def learn(self, here: Spectrum, there: Spectrum) -> None:
        self._cross = _FORGET * self._cross + here * there.conj()
        self._power = _FORGET * self._power + (there * there.conj()).real
        self._frames = _FORGET * self._frames + 1

    def explains(self, here: Spectrum, there: Spectrum) -> bool:
        """Whether little remains of `here` without what comes from `there`."""
        if self._frames < _ENOUGH:
            return False
        rest = here - self._cross / (self._power + np.float32(1e-9)) * there
        return bool(np.vdot(rest, rest).real < _REMAINS_RATIO * np.vdot(here, here).real)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A moment: the loudest channel, and those that may hear nothing but that one. Their spectra."""

    loudest: int
    there: Spectrum
    here: dict[int, Spectrum]


class _Ears:
    """Learns the ways between channels frame by frame, and judges each frame two seconds later."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._ways: dict[tuple[int, int], _Way] = {}
        self._frames: list[_Frame] = []

    def learn(self, audio: Block) -> None:
        """Int16 (channels, _FRAME)."""
        samples = audio.astype(np.float32) * (_WINDOW / 32768)
        powers = np.einsum("ij,ij->i", samples, samples) / np.float32(np.sum(_WINDOW**2))
        loudest = int(np.argmax(powers))
        doubtful = np.flatnonzero((powers < _MUCH_QUIETER * powers[loudest]) & (powers > _SILENT)).tolist()
        if not doubtful or powers[loudest] < _AUDIBLE:
            self._frames.append(_Frame(loudest, np.zeros(0, np.complex64), {}))
            return
        there, *spectra = np.fft.rfft(samples[[loudest, *doubtful]]).astype(np.complex64)
        here = dict(zip(doubtful, spectra, strict=True))
        for channel, spectrum in here.items():
            self._ways.setdefault((loudest, channel), _Way()).learn(spectrum, there)
        self._frames.append(_Frame(loudest, there, here))

    def judged(self, *, everything: bool = False) -> Iterator[npt.NDArray[np.bool_]]:
        """Of the oldest frames, which channels (channels,) have nothing of their own."""
        while len(self._frames) > (0 if everything else _AHEAD):
            frame = self._frames.pop(0)
            foreign = np.zeros(self._channels, np.bool_)
            for channel, spectrum in frame.here.items():
                foreign[channel] = self._ways[frame.loudest, channel].explains(spectrum, frame.there)
            yield foreign


class CrossTalk:
    """Takes and gives int16 (channels, samples), all of them, some three seconds later. Sync, CPU-bound.

    Frames lie around the places where hops meet; a hop is muted where the frames at both of its ends are foreign.
    """

    def __init__(self, channels: int) -> None:
        self._ears = _Ears(channels)
        self._audio = np.zeros((channels, _BEFORE), np.int16)  # from `_BEFORE` samples before the next hop to give
        self._learnt = 0  # hops of that audio, up to the end of the last frame
        self._foreign: list[npt.NDArray[np.bool_]] = []

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
        while (self._learnt * _HOP + _FRAME) <= self._audio.shape[1]:
            first = self._learnt * _HOP
            self._ears.learn(self._audio[:, first : first + _FRAME])
            self._learnt += 1
        self._foreign += self._ears.judged(everything=is_last)
        hops = len(self._foreign) - 1
        if hops < 1:
            return
        marks = np.stack(self._foreign, axis=1)
        is_muted = marks[:, :-1] & marks[:, 1:]
        given = self._audio[:, _BEFORE : _BEFORE + hops * _HOP]
        yield np.where(np.repeat(is_muted, _HOP, axis=1), np.int16(0), given)
        self._audio = self._audio[:, hops * _HOP :].copy()
        self._learnt -= hops
        del self._foreign[:hops]


def without_crosstalk(blocks: Iterable[Block], channels: int) -> Iterator[Block]:
    """Blocks of int16 (channels, samples), in all as many samples as come."""
    return CrossTalk(channels).heard(blocks) if channels > 1 else iter(blocks)
