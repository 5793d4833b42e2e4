"""The parts that both graphs are made of, in one of four precisions.

`fp32` computes and stores in 32 bits. `fp16` stores the weights in 16 bits and computes in 32: exact where the
checkpoint is a 16-bit one. `half` computes in 16 bits and keeps its state in them: for a GPU, whose fused attention
over a cache takes nothing else. `int8` has 8-bit weights and quantises each row of activations by itself (see
export/quantised.py), so that no window can influence another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, FLOAT, FLOAT16, GraphWriter
from stenod_models.export.quantised import QuantisedRows, matmul, quantise_rows, quantised

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

_EPSILON: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Rows:
    """The input of one or more products: its value, and its 8-bit form where the precision asks for it."""

    value: str
    bytes: QuantisedRows | None


@dataclass(frozen=True, slots=True)
class Layers:
    """Adds parts of the model to a graph; `tensors` by Hugging Face's names."""

    graph: GraphWriter
    tensors: Mapping[str, Array]
    precision: str

    def rows(self, value: str) -> Rows:
        return Rows(value, quantise_rows(self.graph, value) if self.precision == "int8" else None)

    def product(self, rows: Rows, *names: str, factor: float = 1.0) -> str:
        """Projections of one input, side by side, times `factor`; one without a bias has one of zero beside others."""
        matrix = factor * np.concatenate([self.float32(f"{name}.weight") for name in names])
        bias = factor * np.concatenate([self._bias(name) for name in names]) if self._has_bias(names) else None
        joined = "+".join(names)
        if rows.bytes is not None:
            return matmul(self.graph, rows.bytes, joined, quantised(matrix.T.astype(np.float64)), bias)
        product = self.graph.op("MatMul", rows.value, self.weight(f"{joined}.weight", matrix.T))
        return product if bias is None else self.graph.op("Add", product, self.weight(f"{joined}.bias", bias))

    def norm(self, name: str, value: str) -> str:
        scale, shift = (self.weight(f"{name}.{part}", self.float32(f"{name}.{part}")) for part in ("weight", "bias"))
        return self.graph.op("LayerNormalization", value, scale, shift, axis=-1, epsilon=_EPSILON)

    def convolution(self, name: str, value: str, stride: int) -> str:
        kernel, bias = (self.weight(f"{name}.{part}", self.float32(f"{name}.{part}")) for part in ("weight", "bias"))
        product = self.graph.op("Conv", value, kernel, bias, strides=[stride], pads=[1, 1], kernel_shape=[3])
        return self.gelu(product)

    def gelu(self, value: str) -> str:
        return self.graph.op("Gelu", value, domain=CONTRIB)

    def feed_forward(self, prefix: str, hidden: str) -> str:
        """Adds its result to `hidden`."""
        normed = self.rows(self.norm(f"{prefix}.final_layer_norm", hidden))
        inner = self.rows(self.gelu(self.product(normed, f"{prefix}.fc1")))
        return self.graph.op("Add", hidden, self.product(inner, f"{prefix}.fc2"))

    @property
    def state(self) -> str:
        """The element type of what stays between runs: keys and values."""
        return "float16" if self.precision == "half" else "float"

    def weight(self, name: str, value: FloatArray) -> str:
        if self.precision not in {"fp16", "half"}:
            return self.graph.weight(name, value)
        stored = self.graph.weight(name, value.astype(np.float16))
        return stored if self.precision == "half" else self.graph.op("Cast", stored, to=FLOAT)

    def computed(self, value: str) -> str:
        """A value of 32 bits in what is computed in."""
        return self.graph.op("Cast", value, to=FLOAT16) if self.precision == "half" else value

    def published(self, value: str) -> str:
        """A value of what is computed in, in 32 bits."""
        return self.graph.op("Cast", value, to=FLOAT) if self.precision == "half" else value

    def float32(self, name: str) -> FloatArray:
        return self.tensors[name].astype(np.float32, copy=False)

    def _bias(self, name: str) -> FloatArray:
        known = f"{name}.bias" in self.tensors
        return self.float32(f"{name}.bias") if known else np.zeros(len(self.tensors[f"{name}.weight"]), np.float32)

    def _has_bias(self, names: Sequence[str]) -> bool:
        return any(f"{name}.bias" in self.tensors for name in names)
