"""What the encoder's and the decoder's graphs are made of. Needs onnx; used where a model is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.export.quantised import matmul, quantise_rows, quantised

FloatArray = npt.NDArray[np.float32]
Weights = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Linear:
    """Writes `x @ matrix + bias`; with `is_quantised` as 8-bit integers, one scale per row of x and column of matrix.

    Scales per row keep the result of a frame independent of the frames around it (see export/quantised.py).
    """

    graph: GraphWriter
    is_quantised: bool

    def __call__(self, value: str, name: str, matrix: npt.NDArray[Any], bias: FloatArray | None) -> str:
        """`matrix` is (inputs, outputs)."""
        if self.is_quantised:
            return matmul(
                self.graph, quantise_rows(self.graph, value), name, quantised(matrix.astype(np.float64)), bias
            )
        product = self.graph.op("MatMul", value, self.graph.weight(f"{name}.weight", matrix))
        return product if bias is None else self.graph.op("Add", product, self.graph.weight(f"{name}.bias", bias))


def swish(graph: GraphWriter, value: str) -> str:
    return graph.op("Mul", value, graph.op("Sigmoid", value))
