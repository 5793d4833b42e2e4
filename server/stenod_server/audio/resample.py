"""Frames of any rate, format and layout → int16 (channels, samples) at 16 000 Hz."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from stenod_server.domain.audio import SAMPLE_RATE_HZ

Block = npt.NDArray[np.int16]  # (channels, samples)
Samples = npt.NDArray[Any]

_OUT_SAMPLES: Final = SAMPLE_RATE_HZ // 2  # codecs give 20 ms at a time: not worth an array each
_MAX_FRAME_SAMPLES: Final = 2**16  # codecs stay below; raw audio in one packet of 256 MB does not
_PLANES_TRUSTED: Final = 7  # av (18.1) counts planes up to a null pointer, which stands behind at most seven
_TYPES: Final[Mapping[str, npt.DTypeLike]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "flt": np.float32,
    "dbl": np.float64,
}


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
    """For frames of one shape. `mono` mixes the channels. Sync, CPU-bound; holds up to a second until `flush`.

    Codecs give some 20 ms at a time, and each way through swresample has its price: frames are gathered before it.
    """

    def __init__(self, first: AudioFrame, *, mono: bool) -> None:
        first = self._like = _readable(first)
        self._type = _TYPES.get(first.format.packed.name)  # None: numpy knows no such samples
        self._most_gathered = first.sample_rate // 2
        self._gathered: list[list[Samples]] = []  # of each frame its planes
        self._gathered_samples = 0
        # swresample mixes a known layout (stereo; 5.1, whose centre carries the dialogue) as every player does, and
        # before it resamples, at half the cost of doing it afterwards. Of channels without places it knows nothing:
        # those are averaged below.
        is_known = not first.layout.name.endswith("channels")
        layout = "mono" if mono and is_known else first.layout
        self._mono = mono
        is_there = shape_of(first)[:2] == (SAMPLE_RATE_HZ, "s16") and first.layout.nb_channels == 1
        self._resampler = None if is_there else AudioResampler("s16", layout, SAMPLE_RATE_HZ, _OUT_SAMPLES)

    def feed(self, frame: AudioFrame) -> list[Block]:
        if self._type is None:
            return self._resampled(frame)
        width = frame.samples if frame.format.is_planar else frame.samples * frame.layout.nb_channels
        self._gathered.append([np.frombuffer(cast(Any, plane), self._type, width) for plane in frame.planes])
        self._gathered_samples += frame.samples
        return self._drained() if self._gathered_samples >= self._most_gathered else []

    def flush(self) -> list[Block]:
        """The samples still inside; the resampler is not to be used afterwards."""
        return [*(self._drained() if self._gathered else []), *self._resampled(None)]

    def _drained(self) -> list[Block]:
        samples = np.stack([np.concatenate(plane) for plane in zip(*self._gathered, strict=True)])
        self._gathered, self._gathered_samples = [], 0
        if self._resampler is None:
            return [cast(Block, samples)]
        if samples.dtype.kind == "f":
            samples = _finite(samples)
        frame = AudioFrame.from_ndarray(samples, format=self._like.format.name, layout=self._like.layout)
        frame.sample_rate = self._like.sample_rate
        return self._resampled(frame)

    def _resampled(self, frame: AudioFrame | None) -> list[Block]:
        if self._resampler is None:
            return []
        if frame is not None:
            frame.pts = None  # holes are filled by the caller; the resampler must not stretch anything
        return [self._block(out) for out in self._resampler.resample(frame)]

    def _block(self, frame: AudioFrame) -> Block:
        samples = np.frombuffer(cast(Any, frame.planes[0]), np.int16, frame.samples * frame.layout.nb_channels)
        block = np.ascontiguousarray(samples.reshape(-1, frame.layout.nb_channels).T)
        if self._mono and len(block) > 1:
            block = np.rint(block.mean(axis=0, dtype=np.float32, keepdims=True)).astype(np.int16)
        return block


def _finite(samples: Samples) -> Samples:
    """Not-a-number becomes silence and infinity full scale: one such sample would spread over its neighbours."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(samples.sum(dtype=samples.dtype)):
            return samples
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
