"""Columns of numbers as text for JSON: little-endian, base64; whole numbers are deflated."""

import base64
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

_FAST: Final = 1  # the level: checkpoints are written often, and half of a level's gain is lost to base64


def packed(values: npt.NDArray[np.float32] | npt.NDArray[np.int64], *, as_steps: bool = False) -> str:
    """`as_steps`: of a column of whole numbers that grow slowly, the differences are kept, which are shorter."""
    kept = np.diff(values, axis=0, prepend=np.zeros_like(values[:1])) if as_steps else values
    plain = kept.astype(kept.dtype.newbyteorder("<")).tobytes()
    if kept.dtype != np.float32:  # those take long to deflate, and lose a twelfth
        plain = zlib.compress(plain, _FAST)
    return base64.b64encode(plain).decode("ascii")


def unpacked_numbers(text: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def unpacked_places(text: str, *, as_steps: bool = False) -> npt.NDArray[np.int64]:
    kept = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i8").astype(np.int64)
    return np.cumsum(kept) if as_steps else kept
