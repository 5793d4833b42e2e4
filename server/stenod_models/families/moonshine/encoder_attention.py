"""The encoder's attention, with both of its products in 8 bits.

Queries, keys and values have scales of their own for each head, all constant. The weights of the values are
exp(score) over the largest of their row, in 255 levels, and their sum comes out of the product as one more column. So
both products and the sum are of integers: padding adds exact zeros, in whatever order.

A head has spare channels, for products take four at a time. In those the query is 1. In two of them every key is at
its lowest: no more than a constant, which a softmax does not see, and which keeps exp() far from overflow. In the
other two only padded keys are, and they come to weigh nothing. In the first one of the values all are 1, for the sum.

One head at a time, the scores stay in the cache between one pass over them and the next.
"""

from typing import Final

import numpy as np

from stenod_models.export.graph_writer import CONTRIB, GraphWriter
from stenod_models.export.quantised import FloatArray, QuantisedRows, matmul
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.activation_limits import ENCODER_ATTENTION_LIMITS
from stenod_models.families.moonshine.rotary import padded_head_columns, rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights

_SPARE: Final = 4
_PADDED_HEAD_SIZE: Final = arch.HEAD_SIZE + _SPARE
_PADDED_WIDTH: Final = arch.HEADS * _PADDED_HEAD_SIZE
_MAX_FRAMES: Final = 4096
_LEVELS: Final = 127
_WEIGHT_LEVELS: Final = 255
_QUERY_ZERO: Final = 128


class EncoderAttention:
    """`bias` is float [frames]: 0, or very negative where a frame is padding."""

    def __init__(self, graph: GraphWriter, weights: MoonshineWeights, bias: str) -> None:
        self._graph = graph
        self._weights = weights
        padding = graph.weight("encoder.attention.padding", _spread(0.0, 0.0, 0.0, 1.0, 1.0))
        self._key_bias = graph.op("Mul", graph.op("Unsqueeze", bias, graph.ints(1)), padding)
        self._zeros = graph.op("Expand", graph.const(0, np.uint8), graph.op("Shape", bias))

    def __call__(self, layer: int, normed: QuantisedRows) -> str:
        """[frames, width] in 8 bits → float [frames, width]."""
        graph = self._graph
        queries, keys, values = self._projections(layer, normed)
        parts = (
            graph.ops("Split", [queries], arch.HEADS, axis=1, num_outputs=arch.HEADS),
            graph.ops("Split", [graph.op("Transpose", keys, perm=[1, 0])], arch.HEADS, axis=0, num_outputs=arch.HEADS),
            graph.ops("Split", [values], arch.HEADS, axis=1, num_outputs=arch.HEADS),
        )
        heads = [
            self._head(layer, head, query, key, value)
            for head, (query, key, value) in enumerate(zip(*parts, strict=True))
        ]
        sums = graph.op("Reshape", graph.op("Concat", *heads, axis=1), graph.ints(-1, arch.HEADS, _PADDED_HEAD_SIZE))
        weighted = graph.slice(sums, 2, 0, arch.HEAD_SIZE)
        # Never below the levels of the largest weight, but where exp() has overflown after all.
        total = graph.op("Max", graph.slice(sums, 2, arch.HEAD_SIZE, arch.HEAD_SIZE + 1), graph.const(1.0))
        return graph.op("Reshape", graph.op("Div", weighted, total), graph.ints(-1, arch.WIDTH))

    def _projections(self, layer: int, normed: QuantisedRows) -> tuple[str, str, str]:
        """Queries, keys, values [frames, padded width], in levels of their limits; queries around 128."""
        graph = self._graph
        query = self._rotated(self._projected(layer, normed, "query", _spread(0.0, 1.0, 1.0, 1.0, 1.0)))
        key = self._rotated(self._projected(layer, normed, "key", _spread(0.0, -1.0, -1.0, 0.0, 0.0)))
        value = self._projected(layer, normed, "value", _spread(0.0, 1.0, 0.0, 0.0, 0.0))
        level = graph.const(1 / _LEVELS)
        return (
            graph.op("QuantizeLinear", query, level, graph.const(_QUERY_ZERO, np.uint8)),
            graph.op("QuantizeLinear", graph.op("Add", key, self._key_bias), level, graph.const(0, np.int8)),
            graph.op("QuantizeLinear", value, level, graph.const(0, np.int8)),
        )

    def _projected(self, layer: int, normed: QuantisedRows, part: str, bias: FloatArray) -> str:
        """Float [frames, padded width], each head over its limit, so that nearly all is within 1."""
        place = ("query", "key", "value").index(part)
        matrix = self._weights.matrices[f"encoder.layers.{layer}.self_attn.{part[0]}_proj"]
        columns = matrix.columns(padded_head_columns(_PADDED_HEAD_SIZE, rotated=part != "value"))
        limits = np.repeat(ENCODER_ATTENTION_LIMITS[layer][place], _PADDED_HEAD_SIZE)
        return matmul(self._graph, normed, f"encoder.layers.{layer}.{part}", columns.scaled(1 / limits), bias)

    def _rotated(self, value: str) -> str:
        graph = self._graph
        cosine, sine = rotary_tables(_MAX_FRAMES)
        rotated = graph.op(
            "RotaryEmbedding",
            graph.op("Unsqueeze", value, graph.ints(0)),
            graph.ints(0),
            graph.weight("rotary.cosine", cosine),
            graph.weight("rotary.sine", sine),
            domain=CONTRIB,
            num_heads=arch.HEADS,
            rotary_embedding_dim=arch.ROTARY_SIZE,
        )
        return graph.op("Squeeze", rotated, graph.ints(0))

    def _head(self, layer: int, head: int, query: str, key: str, value: str) -> str:
        """[frames, 40], [40, frames], [frames, 40] → float [frames, 40]: weighted values, and the sum of weights."""
        graph = self._graph
        query_limit, key_limit, value_limit = (limits[head] for limits in ENCODER_ATTENTION_LIMITS[layer])
        score = graph.const(query_limit * key_limit / _LEVELS**2 * arch.HEAD_SIZE**-0.5)
        query_zero, zero = graph.const(_QUERY_ZERO, np.uint8), graph.const(0, np.int8)
        scores = graph.op("MatMulIntegerToFloat", query, key, graph.const(1.0), score, query_zero, zero, domain=CONTRIB)
        weights = graph.op("Exp", scores)
        largest = graph.op("ReduceMax", weights, graph.ints(-1), keepdims=0)
        level = graph.op("Mul", largest, graph.const(1 / _WEIGHT_LEVELS))
        levels = graph.op("QuantizeLinear", weights, level, self._zeros, axis=0)
        scales = np.full(_PADDED_HEAD_SIZE, value_limit / _LEVELS)
        scales[arch.HEAD_SIZE :] = 1 / _LEVELS
        return graph.op(
            "MatMulIntegerToFloat",
            levels,
            value,
            graph.const(1.0),
            graph.const(scales),
            graph.const(0, np.uint8),
            graph.const(np.zeros(_PADDED_HEAD_SIZE), np.int8),
            domain=CONTRIB,
        )


def _spread(channel: float, *spare: float) -> FloatArray:
    """For every head `channel` for each of its channels, then the spare ones."""
    return np.tile(np.array([channel] * arch.HEAD_SIZE + list(spare), np.float32), arch.HEADS)
