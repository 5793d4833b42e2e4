"""Writes ONNX graphs node by node: every method returns the name of the value it made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

CONTRIB: Final = "com.microsoft"  # ONNX Runtime's own fused operators
# Element types, for Cast.
FLOAT: Final = TensorProto.FLOAT
FLOAT16: Final = TensorProto.FLOAT16
DOUBLE: Final = TensorProto.DOUBLE
INT64: Final = TensorProto.INT64

_OPSET: Final = 18
_IR_VERSION: Final = 9
_LARGEST_INLINE_BYTES: Final = 1 << 30
_ELEMENT_TYPES: Final = {
    "float": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


class GraphWriter:
    """One graph under construction. Equal scalar and shape constants are stored once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._small_constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def input(self, name: str, element_type: str, shape: Sequence[int | str]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, _ELEMENT_TYPES[element_type], list(shape)))
        return name

    def output(self, value: str, name: str, element_type: str, shape: Sequence[int | str]) -> None:
        """Publish `value` under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self.output_of(name, element_type, shape)

    def output_of(self, name: str, element_type: str, shape: Sequence[int | str]) -> None:
        """Publish a value that a node already writes under its final name (kept in place, never copied)."""
        self._outputs.append(helper.make_tensor_value_info(name, _ELEMENT_TYPES[element_type], list(shape)))

    def weight(self, name: str, value: Array) -> str:
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def const(self, value: Any, dtype: npt.DTypeLike = np.float32) -> str:
        """A small constant; shared between equal ones."""
        array = np.asarray(value, dtype)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._small_constants:
            self._small_constants[key] = self.weight(f"const_{len(self._small_constants)}", array)
        return self._small_constants[key]

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)

    def op(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; an empty input name leaves an optional input out."""
        return self.ops(op_type, inputs, 1, domain=domain, **attributes)[0]

    def ops(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: int | Sequence[str],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> list[str]:
        """Add a node with several outputs, counted or named; an empty output name leaves it out."""
        if isinstance(outputs, int):
            self._count += 1
            names = [f"{op_type.lower()}_{self._count}_{index}" for index in range(outputs)]
        else:
            names = list(outputs)
        self._nodes.append(helper.make_node(op_type, list(inputs), names, domain=domain, **attributes))
        return names

    def slice(self, value: str, axis: int, start: int, end: int) -> str:
        """`value[start:end]` along one axis; `end` may be a negative offset."""
        return self.op("Slice", value, self.ints(start), self.ints(end), self.ints(axis))

    def save(self, path: Path) -> None:
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, list(self._initializers.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="stenod")
        size_bytes = sum(len(weight.raw_data) for weight in self._initializers.values())
        # A protobuf message ends at 2 GiB: what weighs more lies beside the graph.
        is_large = size_bytes > _LARGEST_INLINE_BYTES
        onnx.save(model, str(path), save_as_external_data=is_large, location=f"{path.name}.data")
