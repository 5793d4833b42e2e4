"""The encoder graph: int16 audio in, the cross-attention keys and values of every decoder layer out.

Inputs:  audio int16 [batch, padded_samples(frames)], samples int32 [batch] (valid samples of each window)
Outputs: cross_key_{layer}, cross_value_{layer} float [batch, heads, frames, head_size],
         cross_bias float [batch, 1, 1, frames] (0 on valid frames, very negative on padding)

A window's frames depend neither on its batch-mates nor on padding: group normalisation counts valid frames only,
padded keys are masked, and 8-bit products quantise each row by itself. The shipped graph normalises over padding
and quantises over the whole batch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, DOUBLE, FLOAT, INT64, GraphWriter
from stenod_models.export.quantised import FloatArray, QuantisedRows, matmul, quantise_rows, quantised
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.normalisation import EPSILON, quantised_norm
from stenod_models.families.moonshine.rotary import padded_head_columns, rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights

# One spare channel per head carries the key mask: query 1 times key bias. So the attention needs no mask input and
# runs as flash attention, which never stores the frames by frames scores. Four, to keep rows aligned.
_PADDED_HEAD_SIZE = arch.HEAD_SIZE + 4
_MAX_FRAMES = 4096


def build_encoder(weights: MoonshineWeights) -> GraphWriter:
    graph = GraphWriter("moonshine_encoder")
    audio = graph.input("audio", "int16", ["batch", "padded_samples"])
    samples = graph.input("samples", "int32", ["batch"])
    features = _convolutions(graph, weights, audio, graph.op("Cast", samples, to=INT64))
    valid = _is_valid(graph, features, graph.op("Cast", samples, to=INT64))
    bias = graph.op("Where", valid, graph.const(0.0), graph.const(arch.MASKED))  # [batch, frames]
    hidden = _layers(graph, weights, features, graph.op("Unsqueeze", bias, graph.ints(2)))
    _cross_attention_outputs(graph, weights, hidden)
    graph.output(graph.op("Unsqueeze", bias, graph.ints(1, 2)), "cross_bias", "float", ["batch", 1, 1, "frames"])
    return graph


def _floor_div_plus_one(graph: GraphWriter, value: str, kernel: int, stride: int) -> str:
    """Outputs of a convolution: (value - kernel) // stride + 1, for int64 value >= kernel."""
    steps = graph.op("Div", graph.op("Sub", value, graph.const(kernel, np.int64)), graph.const(stride, np.int64))
    return graph.op("Add", steps, graph.const(1, np.int64))


def _positions(graph: GraphWriter, value: str) -> str:
    """int64 [1, length] of axis 1."""
    length = graph.op("Squeeze", graph.op("Shape", value, start=1, end=2), graph.ints(0))
    positions = graph.op("Range", graph.const(0, np.int64), length, graph.const(1, np.int64))
    return graph.op("Unsqueeze", positions, graph.ints(0))


def _is_valid(graph: GraphWriter, features: str, samples: str) -> str:
    """Bool [batch, frames]."""
    frames = samples
    for kernel, stride in ((127, 64), (7, 3), (3, 2)):
        frames = _floor_div_plus_one(graph, frames, kernel, stride)
    return graph.op("Less", _positions(graph, features), graph.op("Unsqueeze", frames, graph.ints(1)))


def _convolutions(graph: GraphWriter, weights: MoonshineWeights, audio: str, samples: str) -> str:
    """Strided convolutions as matrix products over groups of `stride` rows. Returns [batch, frames, width]."""
    scaled = graph.op("Mul", graph.op("Cast", audio, to=FLOAT), graph.const(1 / 32768))
    hops = graph.op("Reshape", scaled, graph.ints(0, -1, 64))
    pieces = graph.op("Concat", graph.slice(hops, 1, 0, -1), _shifted(graph, hops, 1, 63), axis=2)
    conv1 = weights.floats["encoder.conv1.weight"].reshape(arch.WIDTH, -1).T
    first = graph.op("Tanh", graph.op("MatMul", pieces, graph.weight("encoder.conv1.kernel", conv1)))

    mean, inverse = _group_statistics(graph, first, samples)
    kernel, fixed, moving = _normalised_conv2(weights)
    triples = graph.op("Reshape", first, graph.ints(0, -1, 3 * arch.WIDTH))
    product = graph.op("Mul", _grouped_product(graph, "encoder.conv2", triples, 3 * arch.WIDTH, kernel), inverse)
    offset = graph.op("Mul", graph.op("Mul", mean, inverse), graph.weight("encoder.conv2.moving", moving))
    shift = graph.op("Sub", graph.weight("encoder.conv2.fixed", fixed), offset)
    second = graph.op("Gelu", graph.op("Add", product, shift), domain=CONTRIB)

    pairs = graph.op("Reshape", second, graph.ints(0, -1, 4 * arch.WIDTH))
    third = _grouped_product(
        graph, "encoder.conv3", pairs, 4 * arch.WIDTH, _flat_kernel(weights.floats["encoder.conv3.weight"])
    )
    bias = graph.weight("encoder.conv3.bias", weights.floats["encoder.conv3.bias"])
    return graph.op("BiasGelu", third, bias, domain=CONTRIB)


def _shifted(graph: GraphWriter, rows: str, first: int, width: int) -> str:
    """Rows from `first` on, the first `width` channels."""
    return graph.slice(graph.slice(rows, 1, first, np.iinfo(np.int64).max), 2, 0, width)


def _flat_kernel(kernel: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(outputs, inputs, taps) → (taps * inputs, outputs)."""
    flat: npt.NDArray[np.float64] = kernel.astype(np.float64).transpose(2, 1, 0).reshape(-1, kernel.shape[0])
    return flat


def _grouped_product(
    graph: GraphWriter, name: str, groups: str, group_width: int, kernel: npt.NDArray[np.float64]
) -> str:
    """A convolution over rows [batch, groups, group_width]: output t takes group t, t + 1, … until the taps end.

    Each group is quantised once, with its own scale; the shifted copies are of bytes, not floats.
    """
    rows = quantise_rows(graph, groups)
    count = -(-len(kernel) // group_width)
    parts = []
    for index in range(count):
        piece = kernel[index * group_width : (index + 1) * group_width]
        end = index - count + 1 or np.iinfo(np.int64).max
        shifted = graph.slice(rows.values, 1, index, end)
        if len(piece) < group_width:
            shifted = graph.slice(shifted, 2, 0, len(piece))
        scale = graph.slice(rows.row_scale, 1, index, end)
        parts.append(matmul(graph, QuantisedRows(shifted, row_scale=scale), f"{name}.{index}", quantised(piece)))
    total = parts[0]
    for part in parts[1:]:
        total = graph.op("Add", total, part)
    return total


def _group_statistics(graph: GraphWriter, value: str, samples: str) -> tuple[str, str]:
    """Mean and inverse deviation over the valid frames and all channels; float [batch, 1, 1] each.

    Sums over time are in double, so that the grouping of additions, which depends on the padded length, cannot
    show in the float result.
    """
    count = graph.op("Unsqueeze", _floor_div_plus_one(graph, samples, 127, 64), graph.ints(1))
    valid = graph.op("Less", _positions(graph, value), count)
    total = graph.op("Cast", graph.op("Mul", count, graph.const(arch.WIDTH, np.int64)), to=DOUBLE)

    def average(per_frame: str) -> str:
        masked = graph.op("Where", valid, per_frame, graph.const(0.0))
        summed = graph.op("ReduceSum", graph.op("Cast", masked, to=DOUBLE), graph.ints(1), keepdims=1)
        return graph.op("Div", summed, total)

    mean = average(graph.op("ReduceSum", value, graph.ints(-1), keepdims=0))
    square = average(graph.op("ReduceSumSquare", value, graph.ints(-1), keepdims=0))
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    deviation = graph.op("Sqrt", graph.op("Add", variance, graph.const(EPSILON, np.float64)))
    inverse = graph.op("Reciprocal", deviation)
    return tuple(graph.op("Unsqueeze", graph.op("Cast", item, to=FLOAT), graph.ints(2)) for item in (mean, inverse))  # type: ignore[return-value]


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
    carrier = np.zeros(arch.HEADS * _PADDED_HEAD_SIZE, np.float32)
    carrier[arch.HEAD_SIZE :: _PADDED_HEAD_SIZE] = 1.0
    key_bias = graph.op("Mul", bias, graph.weight("encoder.mask_carrier", carrier))
    for layer in range(arch.LAYERS):
        prefix = f"encoder.layers.{layer}"
        attended = _self_attention(graph, weights, prefix, hidden, key_bias)
        matrix = weights.matrices[f"{prefix}.self_attn.o_proj"]
        out = matmul(graph, quantise_rows(graph, attended), f"{prefix}.o_proj", matrix)
        hidden = graph.op("Add", hidden, out)
        hidden = graph.op("Add", hidden, _feed_forward(graph, weights, prefix, hidden))
    return hidden


def _self_attention(graph: GraphWriter, weights: MoonshineWeights, prefix: str, hidden: str, key_bias: str) -> str:
    normed = quantised_norm(graph, weights, f"{prefix}.input_layernorm", hidden)
    columns = padded_head_columns(_PADDED_HEAD_SIZE)
    query, key, value = (weights.matrices[f"{prefix}.self_attn.{name}_proj"] for name in "qkv")
    ones = np.zeros(len(columns), np.float32)
    ones[arch.HEAD_SIZE :: _PADDED_HEAD_SIZE] = 1.0
    return graph.op(
        "MultiHeadAttention",
        _rotate(graph, matmul(graph, normed, f"{prefix}.query", query.columns(columns), ones)),
        graph.op("Add", _rotate(graph, matmul(graph, normed, f"{prefix}.key", key.columns(columns))), key_bias),
        matmul(graph, normed, f"{prefix}.value", value),
        domain=CONTRIB,
        num_heads=arch.HEADS,
        scale=arch.HEAD_SIZE**-0.5,
    )


def _rotate(graph: GraphWriter, value: str) -> str:
    cosine, sine = rotary_tables(_MAX_FRAMES)
    return graph.op(
        "RotaryEmbedding",
        value,
        graph.ints(0),
        graph.weight("rotary.cosine", cosine),
        graph.weight("rotary.sine", sine),
        domain=CONTRIB,
        num_heads=arch.HEADS,
        rotary_embedding_dim=arch.ROTARY_SIZE,
    )


def _feed_forward(graph: GraphWriter, weights: MoonshineWeights, prefix: str, hidden: str) -> str:
    normed = quantised_norm(graph, weights, f"{prefix}.post_attention_layernorm", hidden)
    biases = (weights.floats[f"{prefix}.mlp.{name}.bias"] for name in ("fc1", "fc2"))
    inner = matmul(graph, normed, f"{prefix}.fc1", weights.matrices[f"{prefix}.mlp.fc1"], next(biases))
    rows = quantise_rows(graph, graph.op("Gelu", inner, domain=CONTRIB))
    return matmul(graph, rows, f"{prefix}.fc2", weights.matrices[f"{prefix}.mlp.fc2"], next(biases))


def _cross_attention_outputs(graph: GraphWriter, weights: MoonshineWeights, hidden: str) -> None:
    """Keys and values of every decoder layer, laid out as the decoder reads them."""
    normed = quantised_norm(graph, weights, "encoder.layer_norm", hidden)
    for layer in range(arch.LAYERS):
        for part, name in (("k", "cross_key"), ("v", "cross_value")):
            weight = f"decoder.layers.{layer}.encoder_attn.{part}_proj"
            product = matmul(graph, normed, weight, weights.matrices[weight])
            heads = graph.op("Reshape", product, graph.ints(0, 0, arch.HEADS, arch.HEAD_SIZE))
            graph.ops("Transpose", [heads], [f"{name}_{layer}"], perm=[0, 2, 1, 3])
            graph.output_of(f"{name}_{layer}", "float", ["batch", arch.HEADS, "frames", arch.HEAD_SIZE])
