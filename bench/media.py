"""Decoding for everything but the service, whose own front end does it there. Peers' environment too."""

from collections.abc import Iterator
from typing import Final

import av
import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 16_000
Int16Audio = npt.NDArray[np.int16]


def decoded_blocks(path: str) -> Iterator[Int16Audio]:
    """A recording as blocks of int16 (samples,) at 16 000 Hz mono."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            yield from (block.to_ndarray()[0] for block in resampler.resample(frame))
    yield from (block.to_ndarray()[0] for block in resampler.resample(None))


def read_audio(path: str) -> Int16Audio:
    """A recording as int16 (samples,) at 16 000 Hz mono."""
    return np.concatenate(list(decoded_blocks(path)))
