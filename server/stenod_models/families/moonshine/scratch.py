"""Memory that batches use one after the other: fresh large arrays would be paged in anew for every batch."""

from math import prod

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Scratch:
    """Float arrays by name, grown as needed and never shrunk. Not thread-safe."""

    def __init__(self) -> None:
        self._blocks: dict[str, FloatArray] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """An array of this shape with undefined content, valid until the name is taken again."""
        size = prod(shape)
        block = self._blocks.get(name)
        if block is None or block.size < size:
            block = self._blocks[name] = np.empty(size, np.float32)
        return block[:size].reshape(shape)
