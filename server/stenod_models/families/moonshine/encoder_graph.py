"""The encoder graph: int16 audio in, the cross-attention keys and values of every decoder layer out.

Inputs:  audio int16 [1, padded_samples(frames)], samples int32 [1] (valid samples of the window)
Outputs: cross_key_{layer}, cross_value_{layer}, cross_offset_{layer}: see cross_attention.py

It takes one window: on a CPU a batch gains nothing. Its frames do not depend on padding: group normalisation counts
valid frames only, padded keys are masked, and 8-bit products quantise each row by itself. The shipped graph normalises
over padding and quantises over a whole batch.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, DOUBLE, FLOAT, INT64, GraphWriter
from stenod_models.export.quantised import (
    FloatArray,
    QuantisedRows,
    matmul,
    quantise_fixed,
    quantise_many_rows,
    quantised,
)
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.activation_limits import ENCODER_GELU_LIMITS
from stenod_models.families.moonshine.cross_attention import publish_memory
from stenod_models.families.moonshine.encoder_attention import EncoderAttention
from stenod_models.families.moonshine.normalisation import EPSILON, quantised_norm
from stenod_models.families.moonshine.weights import MoonshineWeights

_LEAST_GELU: Final = -0.17  # a little below the smallest value that the function has


def build_encoder(weights: MoonshineWeights) -> GraphWriter:
    """Within the graph there is no batch: activations are [rows, channels]."""
    graph = GraphWriter("moonshine_encoder")
    audio = graph.input("audio", "int16", [1, "padded_samples"])
    samples = graph.op("Cast", graph.input("samples", "int32", [1]), to=INT64)
    features = _convolutions(graph, weights, audio, samples)
    valid = _is_valid(graph, features, samples)
    bias = graph.op("Where", valid, graph.const(0.0), graph.const(arch.MASKED))  # [frames]
    hidden = _layers(graph, weights, features, bias)
    normed = quantised_norm(graph, weights, "encoder.layer_norm", graph.op("Unsqueeze", hidden, graph.ints(0)))
    publish_memory(graph, weights, normed, graph.op("Unsqueeze", valid, graph.ints(0)))
    return graph


def _floor_div_plus_one(graph: GraphWriter, value: str, kernel: int, stride: int) -> str:
    """Outputs of a convolution: (value - kernel) // stride + 1, for int64 value >= kernel."""
    steps = graph.op("Div", graph.op("Sub", value, graph.const(kernel, np.int64)), graph.const(stride, np.int64))
    return graph.op("Add", steps, graph.const(1, np.int64))


def _positions(graph: GraphWriter, value: str) -> str:
    """int64 [rows]."""
    rows = graph.op("Squeeze", graph.op("Shape", value, start=0, end=1), graph.ints(0))
    return graph.op("Range", graph.const(0, np.int64), rows, graph.const(1, np.int64))


def _is_valid(graph: GraphWriter, features: str, samples: str) -> str:
    """Bool [frames]."""
    frames = samples
    for kernel, stride in ((127, 64), (7, 3), (3, 2)):
        frames = _floor_div_plus_one(graph, frames, kernel, stride)
    return graph.op("Less", _positions(graph, features), frames)


def _convolutions(graph: GraphWriter, weights: MoonshineWeights, audio: str, samples: str) -> str:
    """Strided convolutions as matrix products over groups of `stride` rows. Returns [frames, width]."""
    scaled = graph.op("Mul", graph.op("Cast", audio, to=FLOAT), graph.const(1 / 32768))
    hops = graph.op("Reshape", scaled, graph.ints(-1, 64))
    pieces = graph.op("Concat", graph.slice(hops, 0, 0, -1), _shifted(graph, hops, 1, 63), axis=1)
    conv1 = weights.floats["encoder.conv1.weight"].reshape(arch.WIDTH, -1).T
    first = graph.op("Tanh", graph.op("MatMul", pieces, graph.weight("encoder.conv1.kernel", conv1)))

    mean, inverse = _group_statistics(graph, first, samples)
    kernel, fixed, moving = _normalised_conv2(weights)
    triples = quantise_many_rows(graph, graph.op("Reshape", first, graph.ints(-1, 3 * arch.WIDTH)))
    product = graph.op("Mul", _grouped_product(graph, "encoder.conv2", triples, 3 * arch.WIDTH, kernel), inverse)
    offset = graph.op("Mul", graph.op("Mul", mean, inverse), graph.weight("encoder.conv2.moving", moving))
    shift = graph.op("Sub", graph.weight("encoder.conv2.fixed", fixed), offset)
    second = graph.op("Gelu", graph.op("Add", product, shift), domain=CONTRIB)

    pairs = quantise_many_rows(graph, graph.op("Reshape", second, graph.ints(-1, 4 * arch.WIDTH)), _LEAST_GELU)
    third = _grouped_product(
        graph, "encoder.conv3", pairs, 4 * arch.WIDTH, _flat_kernel(weights.floats["encoder.conv3.weight"])
    )
    bias = graph.weight("encoder.conv3.bias", weights.floats["encoder.conv3.bias"])
    return graph.op("BiasGelu", third, bias, domain=CONTRIB)


def _shifted(graph: GraphWriter, rows: str, first: int, width: int) -> str:
    """Rows from `first` on, the first `width` channels."""
    return graph.slice(graph.slice(rows, 0, first, np.iinfo(np.int64).max), 1, 0, width)


def _flat_kernel(kernel: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(outputs, inputs, taps) → (taps * inputs, outputs)."""
    flat: npt.NDArray[np.float64] = kernel.astype(np.float64).transpose(2, 1, 0).reshape(-1, kernel.shape[0])
    return flat


def _grouped_product(
    graph: GraphWriter, name: str, groups: QuantisedRows, group_width: int, kernel: npt.NDArray[np.float64]
) -> str:
    """A convolution over rows [groups, group_width]: output t takes group t, t + 1, … until the taps end.

    Each group is quantised once, with its own scale; the shifted copies are of bytes, not floats.
    """
    count = -(-len(kernel) // group_width)
    parts = []
    for index in range(count):
        piece = kernel[index * group_width : (index + 1) * group_width]
        end = index - count + 1 or np.iinfo(np.int64).max
        shifted = graph.slice(groups.values, 0, index, end)
        if len(piece) < group_width:
            shifted = graph.slice(shifted, 1, 0, len(piece))
        rows = replace(groups, values=shifted, row_scale=graph.slice(groups.row_scale, 0, index, end))
        parts.append(matmul(graph, rows, f"{name}.{index}", quantised(piece)))
    total = parts[0]
    for part in parts[1:]:
        total = graph.op("Add", total, part)
    return total


def _group_statistics(graph: GraphWriter, value: str, samples: str) -> tuple[str, str]:
    """Mean and inverse deviation over the valid frames and all channels; float [1] each.

    Sums over time are in double, so that the grouping of additions, which depends on the padded length, cannot
    show in the float result.
    """
    count = _floor_div_plus_one(graph, samples, 127, 64)
    valid = graph.op("Less", _positions(graph, value), count)
    total = graph.op("Cast", graph.op("Mul", count, graph.const(arch.WIDTH, np.int64)), to=DOUBLE)

    def average(values: str) -> str:
        per_frame = graph.op("ReduceSum", values, graph.ints(-1), keepdims=0)
        masked = graph.op("Where", valid, per_frame, graph.const(0.0))
        summed = graph.op("ReduceSum", graph.op("Cast", masked, to=DOUBLE), graph.ints(0), keepdims=1)
        return graph.op("Div", summed, total)

    mean = average(value)
    square = average(graph.op("Mul", value, value))  # much faster than ReduceSumSquare
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    deviation = graph.op("Sqrt", graph.op("Add", variance, graph.const(EPSILON, np.float64)))
    return graph.op("Cast", mean, to=FLOAT), graph.op("Cast", graph.op("Reciprocal", deviation), to=FLOAT)


def _normalised_conv2(weights: MoonshineWeights) -> tuple[npt.NDArray[np.float64], FloatArray, FloatArray]:
    """Group normalisation folded into conv2, which spares a pass over the longest activation of the model.

    conv(((x - mean) * inverse) * gamma + beta) is inverse * conv_gamma(x) + fixed - mean * inverse * moving.
    """
    gamma, beta = (weights.floats[f"encoder.groupnorm.{part}"].reshape(1, -1, 1) for part in ("weight", "bias"))
    kernel = weights.floats["encoder.conv2.weight"].astype(np.float64)
    fixed = weights.floats["encoder.conv2.bias"] + (kernel * beta).sum(axis=(1, 2))
    moving = (kernel * gamma).sum(axis=(1, 2))
    return _flat_kernel(kernel * gamma), fixed.astype(np.float32), moving.astype(np.float32)


def _layers(graph: GraphWriter, weights: MoonshineWeights, hidden: str, bias: str) -> str:
    attention = EncoderAttention(graph, weights, bias)
    for layer in range(arch.LAYERS):
        prefix = f"encoder.layers.{layer}"
        attended = attention(layer, quantised_norm(graph, weights, f"{prefix}.input_layernorm", hidden))
        matrix = weights.matrices[f"{prefix}.self_attn.o_proj"]
        out = matmul(graph, quantise_many_rows(graph, attended), f"{prefix}.o_proj", matrix)
        hidden = graph.op("Add", hidden, out)
        hidden = graph.op("Add", hidden, _feed_forward(graph, weights, layer, hidden))
    return hidden


def _feed_forward(graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str) -> str:
    prefix = f"encoder.layers.{layer}"
    normed = quantised_norm(graph, weights, f"{prefix}.post_attention_layernorm", hidden)
    biases = (weights.floats[f"{prefix}.mlp.{name}.bias"] for name in ("fc1", "fc2"))
    inner = matmul(graph, normed, f"{prefix}.fc1", weights.matrices[f"{prefix}.mlp.fc1"], next(biases))
    rows = quantise_fixed(graph, graph.op("Gelu", inner, domain=CONTRIB), ENCODER_GELU_LIMITS[layer], _LEAST_GELU)
    return matmul(graph, rows, f"{prefix}.fc2", weights.matrices[f"{prefix}.mlp.fc2"], next(biases))
