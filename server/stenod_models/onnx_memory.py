"""What ONNX Runtime's graphs read and write, bound by name: arrays of the host, and blocks that stay on the device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import onnxruntime

from stenod_models.device import CPU, Device
from stenod_models.onnx_sessions import open_session, ort_value

Array = npt.NDArray[Any]

_TYPES: Final[Mapping[str, npt.DTypeLike]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A contiguous tensor in the memory of a device. `block[i, j, :n]` is the part at these leading indices, in the
    same memory.
    """

    memory: Array | onnxruntime.OrtValue
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    device: Device

    @classmethod
    def empty(cls, shape: Sequence[int], dtype: npt.DTypeLike, device: Device = CPU) -> Self:
        """Of undefined content."""
        count, kind = prod(shape), np.dtype(dtype)
        if device.kind == "cpu":
            memory: Array | onnxruntime.OrtValue = np.empty(count, kind)
        else:
            memory = onnxruntime.OrtValue.ortvalue_from_shape_and_type([count], kind, device.kind, device.index)
        return cls(memory, 0, tuple(shape), kind, device)

    @property
    def address(self) -> int:
        start = self.memory.ctypes.data if isinstance(self.memory, np.ndarray) else self.memory.data_ptr()
        return int(start) + self.offset * self.dtype.itemsize

    def shaped(self, shape: Sequence[int]) -> "Block":
        """The beginning of this block's memory in another shape that is no larger."""
        return replace(self, shape=tuple(shape))

    def __getitem__(self, index: int | slice | tuple[int | slice, ...]) -> "Block":
        """Leading indices; the last one may be a slice without a step, and so the part is contiguous."""
        *places, last = index if isinstance(index, tuple) else (index,)
        offset, shape = self.offset, self.shape
        for place in (*places, last):
            bounds = (place, place + 1) if isinstance(place, int) else place.indices(shape[0])[:2]
            offset += bounds[0] * prod(shape[1:])
            shape = shape[1:] if isinstance(place, int) else (bounds[1] - bounds[0], *shape[1:])
        return replace(self, offset=offset, shape=shape)

    def numpy(self) -> Array:
        """On the host: on a CPU the same memory, else a copy."""
        memory: Array = self.memory if isinstance(self.memory, np.ndarray) else self.memory.numpy()
        return memory[self.offset : self.offset + prod(self.shape)].reshape(self.shape)

    def taken(self, rows: Sequence[int], axis: int) -> "Block":
        """These rows along an axis, in memory of their own on the same device."""
        shape = (*self.shape[:axis], len(rows), *self.shape[axis + 1 :])
        chosen = Block.empty(shape, self.dtype, self.device)
        gather = Binding(_gather(self.dtype.name, len(shape), axis, self.device), self.device)
        gather.give("given", self)
        gather.give("rows", np.array(rows, np.int64))
        gather.take("taken", chosen)
        gather.run()
        return chosen


class Blocks:
    """Blocks by name, grown as needed and never shrunk: fresh memory would be paged in anew for every batch, and a
    GPU's would have to be found. Not thread-safe.
    """

    def __init__(self, dtype: npt.DTypeLike, device: Device = CPU) -> None:
        self._dtype = dtype
        self._device = device
        self._blocks: dict[str, Block] = {}

    def take(self, name: str, shape: Sequence[int]) -> Block:
        """A block of this shape with undefined content, valid until the name is taken again."""
        block = self._blocks.get(name)
        if block is None or prod(block.shape) < prod(shape):
            self._blocks.pop(name, None)  # the old one goes before the new one comes
            block = self._blocks[name] = Block.empty(shape, self._dtype, self._device)
        return block.shaped(shape)


class Binding:
    """The inputs and outputs of one session. Arrays are read and written where they lie at each run, and held."""

    def __init__(self, session: onnxruntime.InferenceSession, device: Device = CPU) -> None:
        self._session = session
        self._device = device
        self._binding = session.io_binding()
        self._arrays: dict[str, Array] = {}
        self._held: dict[str, Block | Array] = {}

    def give(self, name: str, value: Block | Array) -> None:
        """Bind an input. Arrays must be contiguous."""
        self._held[name] = value
        if isinstance(value, Block):
            self._arrays.pop(name, None)
            self._binding.bind_input(
                name, value.device.kind, value.device.index, value.dtype, value.shape, value.address
            )
        else:
            self._arrays[name] = value
            self._binding.bind_ortvalue_input(name, ort_value(value))

    def take(self, name: str, value: Block | Array) -> None:
        """Bind an output."""
        self._held[name] = value
        if isinstance(value, Block):
            self._binding.bind_output(
                name, value.device.kind, value.device.index, value.dtype, value.shape, value.address
            )
        else:
            self._binding.bind_ortvalue_output(name, ort_value(value))

    def run(self) -> None:
        if self._device.kind != "cpu":  # there an array is copied to the device when it is bound
            for name, array in self._arrays.items():
                self._binding.bind_ortvalue_input(name, ort_value(array))
        self._session.run_with_iobinding(self._binding)


def element_type_of(session: onnxruntime.InferenceSession, name: str) -> npt.DTypeLike:
    """The type of an input or output. Raises KeyError for one that no block has."""
    entries = (*session.get_inputs(), *session.get_outputs())
    return next(_TYPES[entry.type] for entry in entries if entry.name == name)


@lru_cache
def _gather(dtype: str, rank: int, axis: int, device: Device) -> onnxruntime.InferenceSession:
    from onnx import TensorProto, helper  # noqa: PLC0415 - only a batch of which some rows are decoded again needs it

    element = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "int8": TensorProto.INT8}[dtype]
    node = helper.make_node("Gather", ["given", "rows"], ["taken"], axis=axis)
    sizes = [f"size_{place}" for place in range(rank)]
    given = helper.make_tensor_value_info("given", element, sizes)
    rows = helper.make_tensor_value_info("rows", TensorProto.INT64, ["count"])
    taken = helper.make_tensor_value_info("taken", element, [*sizes[:axis], "count", *sizes[axis + 1 :]])
    graph = helper.make_graph([node], "gather", [given, rows], [taken])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return open_session(model.SerializeToString(), 1, device)
