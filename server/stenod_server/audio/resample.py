"""Frames of any rate, format and layout → int16 (channels, samples) at 16 000 Hz."""

from collections.abc import Iterator
from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from stenod_server.domain.audio import SAMPLE_RATE_HZ

Block = npt.NDArray[np.int16]  # (channels, samples)

_OUT_SAMPLES: Final = SAMPLE_RATE_HZ // 2  # codecs give 20 ms at a time: not worth an array each
_MAX_FRAME_SAMPLES: Final = 2**16  # codecs stay below; raw audio in one packet of 256 MB does not
_PLANES_TRUSTED: Final = 7  # av (18.1) counts planes up to a null pointer, which stands behind at most seven
_FLOATS: Final = frozenset({"flt", "fltp", "dbl", "dblp"})


def shape_of(frame: AudioFrame) -> tuple[int, str, str]:
    """Frames of one shape go through one resampler."""
    return frame.sample_rate, frame.format.name, frame.layout.name


def pieces(frame: AudioFrame) -> Iterator[AudioFrame]:
    """The frame, or several of an ordinary length: what is made of it takes many times its memory."""
    frame = _readable(frame)
    if frame.samples <= _MAX_FRAME_SAMPLES:
        yield frame
        return
    samples = frame.to_ndarray()
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    for first in range(0, frame.samples * width, _MAX_FRAME_SAMPLES * width):
        part = np.ascontiguousarray(samples[:, first : first + _MAX_FRAME_SAMPLES * width])
        piece = AudioFrame.from_ndarray(part, format=frame.format.name, layout=frame.layout)
        piece.sample_rate = frame.sample_rate
        yield piece


def _readable(frame: AudioFrame) -> AudioFrame:
    """One of which av finds the samples: of many planes it reads on behind the last one."""
    if not frame.format.is_planar or frame.layout.nb_channels <= _PLANES_TRUSTED:
        return frame
    [packed] = AudioResampler(frame.format.packed, frame.layout, frame.sample_rate).resample(frame)
    return packed


class Resampler:
    """For frames of one shape. `mono` mixes the channels. Sync, CPU-bound; holds up to half a second until `flush`."""

    def __init__(self, first: AudioFrame, *, mono: bool) -> None:
        self._is_float = first.format.name in _FLOATS
        # swresample mixes a known layout (stereo; 5.1, whose centre carries the dialogue) as every player does, and
        # before it resamples, at half the cost of doing it afterwards. Of channels without places it knows nothing:
        # those are averaged below.
        is_known = not first.layout.name.endswith("channels")
        layout = "mono" if mono and is_known else first.layout
        self._mono = mono
        self._resampler = AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE_HZ, frame_size=_OUT_SAMPLES)

    def feed(self, frame: AudioFrame) -> list[Block]:
        frame = _finite(frame) if self._is_float else frame
        frame.pts = None  # holes are filled by the caller; the resampler must not stretch anything
        return [self._block(out) for out in self._resampler.resample(frame)]

    def flush(self) -> list[Block]:
        """The samples still inside; the resampler is not to be used afterwards."""
        return [self._block(out) for out in self._resampler.resample(None)]

    def _block(self, frame: AudioFrame) -> Block:
        samples = cast(Block, frame.to_ndarray()).reshape(-1, frame.layout.nb_channels)
        block = np.ascontiguousarray(samples.T)
        if self._mono and len(block) > 1:
            block = np.rint(block.mean(axis=0, dtype=np.float32, keepdims=True)).astype(np.int16)
        return block


def _finite(frame: AudioFrame) -> AudioFrame:
    """Not-a-number becomes silence and infinity full scale: one such sample would spread over its neighbours."""
    samples = cast(npt.NDArray[np.float32], frame.to_ndarray())
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(samples.sum(dtype=samples.dtype)):
            return frame
    clean = np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
    repaired = av.AudioFrame.from_ndarray(clean, format=frame.format.name, layout=frame.layout)
    repaired.sample_rate = frame.sample_rate
    return repaired
