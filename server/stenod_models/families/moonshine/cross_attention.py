"""Cross-attention in 8 bits: what the encoder leaves of a window, and how the decoder's rows attend to it.

Keys and values are int8 under constant scales, queries and weights uint8, and the products are of integers, exact in
any order. So neither the frames of a longer batch-mate nor the number of rows can show in a row's result, and a step
reads a quarter of the bytes: they are what its attention takes its time for.

The fast products of one row take no zero point. A query is offset by 128, and what that adds to a frame's score, 128
times the sum of its key, is taken off again; the same number masks padded frames. Weights are exponentials below the
largest, 0 to 255 without an offset, and a column of ones beside the values adds them up.
"""

from typing import Final

import numpy as np

from stenod_models.export.graph_writer import FLOAT, GraphWriter
from stenod_models.export.quantised import QuantisedRows, matmul
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.attention_limits import KEYS, QUERIES, VALUES
from stenod_models.families.moonshine.rotary import padded_head_columns
from stenod_models.families.moonshine.weights import MoonshineWeights

_LEVELS: Final = 127.0
_QUERY_ZERO: Final = 128
_MOST_WEIGHT: Final = 255.0
_KEY_SCALES: Final = np.array(KEYS, np.float32) / _LEVELS
_QUERY_SCALES: Final = np.array(QUERIES, np.float32) / _LEVELS
_VALUE_SCALES: Final = np.array(VALUES, np.float32) / _LEVELS


def publish_memory(graph: GraphWriter, weights: MoonshineWeights, normed: QuantisedRows, valid: str) -> None:
    """Outputs of every decoder layer, of the encoder's last state and of bool [batch, frames]:

    cross_key_{layer} int8 [batch, heads, head_size, frames], cross_value_{layer} int8 [batch, heads, frames, widened
    head size] and cross_offset_{layer} int32 [batch, heads, 1, frames], to be taken off the products with the keys.
    """
    valid = graph.op("Unsqueeze", valid, graph.ints(1, 2))
    order = padded_head_columns(arch.VALUE_SIZE, rotated=False)
    ones = np.zeros(len(order), np.float32)
    ones[arch.HEAD_SIZE :: arch.VALUE_SIZE] = 1.0
    for layer in range(arch.LAYERS):
        prefix = f"decoder.layers.{layer}.encoder_attn"
        units = np.repeat(1 / _KEY_SCALES[layer], arch.HEAD_SIZE)
        product = matmul(graph, normed, f"{prefix}.k_proj", weights.matrices[f"{prefix}.k_proj"].scaled(units))
        keys = _int8_heads(graph, product, arch.HEAD_SIZE, f"cross_key_{layer}", perm=[0, 2, 3, 1])
        graph.output_of(keys, "int8", ["batch", arch.HEADS, arch.HEAD_SIZE, "frames"])

        matrix = weights.matrices[f"{prefix}.v_proj"].columns(order).scaled(1 / _VALUE_SCALES[layer])
        product = matmul(graph, normed, f"{prefix}.v_proj", matrix, ones)
        values = _int8_heads(graph, product, arch.VALUE_SIZE, f"cross_value_{layer}", perm=[0, 2, 1, 3])
        graph.output_of(values, "int8", ["batch", arch.HEADS, "frames", arch.VALUE_SIZE])

        zeros = graph.const(np.full((1, arch.HEAD_SIZE), _QUERY_ZERO), np.uint8)
        added = graph.op("MatMulInteger", zeros, keys)
        graph.ops("Where", [valid, added, graph.const(arch.MASKED_OFFSET, np.int32)], [f"cross_offset_{layer}"])
        graph.output_of(f"cross_offset_{layer}", "int32", ["batch", arch.HEADS, 1, "frames"])


def take_memory(graph: GraphWriter, layer: int) -> tuple[str, str, str]:
    """The decoder's inputs of a layer: keys, values, offsets."""
    return (
        graph.input(f"cross_key_{layer}", "int8", ["batch", arch.HEADS, arch.HEAD_SIZE, "frames"]),
        graph.input(f"cross_value_{layer}", "int8", ["batch", arch.HEADS, "frames", arch.VALUE_SIZE]),
        graph.input(f"cross_offset_{layer}", "int32", ["batch", arch.HEADS, 1, "frames"]),
    )


def queries(graph: GraphWriter, weights: MoonshineWeights, normed: QuantisedRows, layer: int) -> str:
    """uint8 [slots, 1, width], offset by 128."""
    name = f"decoder.layers.{layer}.encoder_attn.q_proj"
    units = np.repeat(arch.HEAD_SIZE**-0.5 / _QUERY_SCALES[layer], arch.HEAD_SIZE)
    product = matmul(graph, normed, name, weights.matrices[name].scaled(units))
    return graph.op("QuantizeLinear", product, graph.const(1.0), graph.const(_QUERY_ZERO, np.uint8))


def attended(graph: GraphWriter, heads: str, memory: tuple[str, str, str], layer: int) -> tuple[str, str]:
    """Of queries [batch, heads, rows, head_size]: the mixed values of that shape, in units of `value_scale`, and the
    weights [batch, heads, rows, frames], of which the largest of a row is 1.
    """
    keys, values, offsets = memory
    products = graph.op("Sub", graph.op("MatMulInteger", heads, keys), offsets)
    scales = graph.const(_QUERY_SCALES[layer] * _KEY_SCALES[layer])
    scores = graph.op("DequantizeLinear", products, scales, axis=1)
    largest = graph.op("ReduceMax", scores, graph.ints(-1), keepdims=1)
    weights = graph.op("Exp", graph.op("Sub", scores, largest))
    rounded = graph.op("QuantizeLinear", weights, graph.const(1 / _MOST_WEIGHT), graph.const(0, np.uint8))
    sums = graph.op("Cast", graph.op("MatMulInteger", rounded, values), to=FLOAT)
    spare = arch.VALUE_SIZE - arch.HEAD_SIZE - 1
    mixed, total, _rest = graph.ops("Split", [sums, graph.ints(arch.HEAD_SIZE, 1, spare)], 3, axis=-1)
    return graph.op("Div", mixed, total), weights


def value_scale(layer: int) -> float:
    return float(_VALUE_SCALES[layer])


def _int8_heads(graph: GraphWriter, product: str, head_size: int, name: str, *, perm: list[int]) -> str:
    """Rounds [batch, frames, heads * head_size] and moves its axes of batch, frames, heads, head size."""
    rounded = graph.op("QuantizeLinear", product, graph.const(1.0), graph.const(0, np.int8))
    heads = graph.op("Reshape", rounded, graph.ints(0, 0, arch.HEADS, head_size))
    return graph.ops("Transpose", [heads], [name], perm=perm)[0]
