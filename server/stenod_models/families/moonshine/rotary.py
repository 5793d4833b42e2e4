"""Rotary positions: Moonshine rotates neighbouring pairs of channels; the fused operators rotate halves.

Reordering the columns of the query and key projections once turns the one into the other, since attention only sees
the products of queries and keys that were reordered alike.
"""

import numpy as np
import numpy.typing as npt

from stenod_models.families.moonshine import architecture as arch

_THETA = 10_000.0


def rotary_tables(positions: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Cosine and sine, float32 (positions, ROTARY_SIZE / 2)."""
    rates = _THETA ** -(np.arange(arch.ROTARY_SIZE // 2) / (arch.ROTARY_SIZE // 2))
    angles = np.outer(np.arange(positions), rates)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def padded_head_columns(padded_head_size: int, *, rotated: bool = True) -> npt.NDArray[np.int64]:
    """Column order that splits rotated pairs into halves and widens each head; -1 marks an empty column."""
    head = np.full(padded_head_size, -1)
    head[: arch.HEAD_SIZE] = np.arange(arch.HEAD_SIZE)
    if rotated:
        pairs = np.arange(arch.ROTARY_SIZE).reshape(-1, 2)
        head[: arch.ROTARY_SIZE] = pairs.T.ravel()
    offsets = np.arange(arch.HEADS)[:, None] * arch.HEAD_SIZE
    return np.where(head >= 0, head + offsets, -1).ravel()
