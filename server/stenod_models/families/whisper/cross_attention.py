"""Cross-attention, whose keys and values the encoder graph computes once for each window: what it gives of them, and
how the decoder graph reads them again at every step.

A step reads all of them, so it takes as long as their bytes. With `int8` they are of 8 bits, scaled frame by frame, and
the products of integers are exact whoever else is in the batch. What multiplies them becomes numbers from 0 to 127:
ONNX Runtime reads the bytes for one row of such numbers in order and packs nothing, and no processor saturates. So a
query is split into what is above and what is below 0; an attention into steps of 1/127 of its largest share and what
these leave, for many small shares make a large one.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from stenod_models.export.graph_writer import CONTRIB, FLOAT, GraphWriter
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.layers import Layers, Rows

_LEVELS: Final = 127.0
_SMALLEST: Final = 1e-10  # what is 0 everywhere must not be divided by 0
_PARTS: Final = (("k", "cross_key"), ("v", "cross_value"))


def publish(layers: Layers, arch: Architecture, layer: int, rows: Rows) -> None:
    """Give the keys and values of a layer as outputs: `cross_key_{layer}` and `cross_value_{layer}`, float or float16
    [batch, heads, frames, head_size]. With `int8` they are int8, the keys [batch, heads, head_size, frames], and have
    a scale for each frame: `cross_key_{layer}_scale` and `cross_value_{layer}_scale`, float [batch, heads, 1, frames].
    """
    graph = layers.graph
    for part, name in _PARTS:
        value = layers.product(rows, f"decoder.layers.{layer}.encoder_attn.{part}_proj")
        value = graph.op("Reshape", value, graph.ints(0, 0, arch.decoder_heads, arch.head_size))
        if layers.precision == "int8":
            scale = _scale_of(graph, graph.op("Abs", value))
            value = graph.op("QuantizeLinear", graph.op("Div", value, scale), graph.const(1.0), graph.const(0, np.int8))
            graph.ops("Transpose", [scale], [f"{name}_{layer}_scale"], perm=[0, 2, 3, 1])
            graph.output_of(f"{name}_{layer}_scale", "float", _scales(arch, "batch"))
        order = [0, 2, 3, 1] if _is_turned(layers, part) else [0, 2, 1, 3]
        graph.ops("Transpose", [value], [f"{name}_{layer}"], perm=order)
        graph.output_of(f"{name}_{layer}", _stored(layers), _shape(layers, arch, part, "batch"))


def attend(layers: Layers, arch: Architecture, layer: int, query: str) -> tuple[str, str]:
    """What the queries [windows, heads, steps, head_size], scaled already, find: [windows, heads, steps, head_size],
    and their attention [windows, heads, steps, frames].
    """
    graph = layers.graph
    keys, values = (
        graph.input(f"{name}_{layer}", _stored(layers), _shape(layers, arch, part, "windows")) for part, name in _PARTS
    )
    if layers.precision != "int8":
        # Keys as [frames, head_size]: the product with a transposed matrix reads them once, in order.
        scores = graph.op("FusedMatMul", query, keys, domain=CONTRIB, transB=1)
        attention = graph.op("Softmax", scores, axis=-1)
        return graph.op("MatMul", attention, values), attention
    key_scale, value_scale = (
        graph.input(f"{name}_{layer}_scale", "float", _scales(arch, "windows")) for _part, name in _PARTS
    )
    attention = graph.op("Softmax", graph.op("Mul", _scores(graph, query, keys), key_scale), axis=-1)
    return _mixture(graph, graph.op("Mul", attention, value_scale), values), attention


def _is_turned(layers: Layers, part: str) -> bool:
    """Whether frames come last: 8-bit products read their second matrix in order where it is not transposed."""
    return layers.precision == "int8" and part == "k"


def _stored(layers: Layers) -> str:
    return "int8" if layers.precision == "int8" else layers.state


def _shape(layers: Layers, arch: Architecture, part: str, batch: str) -> list[int | str]:
    frames = [arch.source_positions, arch.head_size]
    return [batch, arch.decoder_heads, *(frames[::-1] if _is_turned(layers, part) else frames)]


def _scales(arch: Architecture, batch: str) -> list[int | str]:
    return [batch, arch.decoder_heads, 1, arch.source_positions]


def _scale_of(graph: GraphWriter, magnitudes: str) -> str:
    """Of each row, [..., 1]."""
    largest = graph.op("ReduceMax", magnitudes, graph.ints(-1), keepdims=1)
    return graph.op("Mul", graph.op("Add", largest, graph.const(_SMALLEST)), graph.const(1 / _LEVELS))


def _scores(graph: GraphWriter, query: str, keys: str) -> str:
    """Without the scale of the keys."""
    scale = _scale_of(graph, graph.op("Abs", query))
    unit = graph.op("Unsqueeze", graph.op("Div", query, scale), graph.ints(3))
    planes = _unsigned(graph, graph.op("Mul", unit, graph.const([[1.0], [-1.0]])), 1.0)
    return _weighted(graph, scale, [1.0, -1.0], _dots(graph, planes, keys))


def _mixture(graph: GraphWriter, attention: str, values: str) -> str:
    """`attention` with the scale of the values."""
    scale = _scale_of(graph, attention)
    unit = graph.op("Unsqueeze", graph.op("Div", attention, scale), graph.ints(3))
    whole = _unsigned(graph, graph.op("Sub", unit, graph.const(0.5)), 1.0)  # rounded down, so that the rest is positive
    rest = graph.op("Sub", unit, graph.op("DequantizeLinear", whole, graph.const(1.0)))
    planes = graph.op("Concat", whole, _unsigned(graph, rest, 1 / _LEVELS), axis=3)
    return _weighted(graph, scale, [1.0, 1 / _LEVELS], _dots(graph, planes, values))


def _unsigned(graph: GraphWriter, value: str, step: float) -> str:
    """In steps; what is below 0 becomes 0."""
    return graph.op("QuantizeLinear", value, graph.const(step), graph.const(0, np.uint8))


def _dots(graph: GraphWriter, planes: str, matrix: str) -> str:
    """Float [windows, heads, steps, 2, columns] of uint8 `planes` [windows, heads, steps, 2, k] and int8 `matrix`
    [windows, heads, k, columns]: each plane by itself, as a row of one.
    """
    rows = graph.op("Unsqueeze", planes, graph.ints(4))
    dots = graph.op("MatMulInteger", rows, graph.op("Unsqueeze", matrix, graph.ints(2, 3)))
    return graph.op("Cast", graph.op("Squeeze", dots, graph.ints(4)), to=FLOAT)


def _weighted(graph: GraphWriter, scale: str, weights: Sequence[float], dots: str) -> str:
    """The two planes together: [windows, heads, steps, columns]."""
    factors = graph.op("Mul", graph.op("Unsqueeze", scale, graph.ints(3)), graph.const([weights]))
    return graph.op("Squeeze", graph.op("MatMul", factors, dots), graph.ints(3))
