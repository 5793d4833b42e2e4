"""What the rows of a batch attend to, laid out so that one product serves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.families.moonshine import architecture as arch
from stenod_models.onnx_memory import Blocks

# Whole vectors of frames: the exponentials of a partial one at the end may be computed otherwise.
_FRAME_BLOCK: Final = 16
_LEAST_USE: Final = 0.7  # of the frames, by the longest row, before everything is laid out anew


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """Of each layer: keys int8 (heads, head size, frames), values int8 (heads, frames, VALUE_SIZE) and offsets int32
    (heads, 1, frames); see cross_attention.py.
    """

    keys: Sequence[npt.NDArray[np.int8]]
    values: Sequence[npt.NDArray[np.int8]]
    offsets: Sequence[npt.NDArray[np.int32]]

    @property
    def frames(self) -> int:
        return int(self.offsets[0].shape[-1])


class Memory:
    """The windows of rows 0, 1, 2, …: `keys`, `values` and `offsets` are as in EncodedWindow, with leading axes of
    (layers, rows) and with masked frames behind those of the shorter ones. They change when `frames` does.
    """

    keys: npt.NDArray[np.int8]
    values: npt.NDArray[np.int8]
    offsets: npt.NDArray[np.int32]

    def __init__(self) -> None:
        self._blocks = Blocks(np.int8)
        self._offset_blocks = Blocks(np.int32)
        self._windows: list[EncodedWindow] = []
        self._rows = 0
        self.frames = 0

    def start(self, rows: int) -> None:
        """Forget every window; there will be no more than `rows` at once."""
        self._windows = []
        self._rows = rows
        self.frames = 0

    def put(self, row: int, window: EncodedWindow) -> None:
        """In the next row, or in place of another window."""
        self._windows[row : row + 1] = [window]
        longest = max(window.frames for window in self._windows)
        if _LEAST_USE * self.frames <= longest <= self.frames:
            self._write(row, window)
        else:
            self._lay_out(-(-longest // _FRAME_BLOCK) * _FRAME_BLOCK)

    def drop(self, row: int) -> None:
        """The last row takes the place of this one."""
        last = self._windows.pop()
        if row < len(self._windows):
            self._windows[row] = last
            self._write(row, last)

    def _lay_out(self, frames: int) -> None:
        self.frames = frames
        leading = (arch.LAYERS, self._rows, arch.HEADS)
        self.keys = self._blocks.take("keys", (*leading, arch.HEAD_SIZE, frames)).numpy()
        self.values = self._blocks.take("values", (*leading, frames, arch.VALUE_SIZE)).numpy()
        self.offsets = self._offset_blocks.take("offsets", (*leading, 1, frames)).numpy()
        for row, window in enumerate(self._windows):
            self._write(row, window)

    def _write(self, row: int, window: EncodedWindow) -> None:
        count = window.frames
        for layer in range(arch.LAYERS):
            self.keys[layer, row, :, :, :count] = window.keys[layer]
            self.values[layer, row, :, :count] = window.values[layer]
            self.offsets[layer, row, :, :, :count] = window.offsets[layer]
        self.offsets[:, row, :, :, count:] = arch.MASKED_OFFSET
