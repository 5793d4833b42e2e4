"""The encoder graph: int16 audio in, the cross-attention keys and values of every decoder layer out.

Inputs:  audio int16 [batch, padded_samples(frames)], samples int32 [batch] (valid samples of each window)
Outputs: cross_key_{layer} float [batch, heads, head_size, frames], cross_value_{layer} [batch, heads, frames, head_size],
         cross_bias float [batch, 1, 1, frames] (0 on valid frames, very negative on padding)

A window's frames depend neither on its batch-mates nor on padding: group normalisation counts valid frames only,
padded keys are masked, and 8-bit products quantise each row by itself. The shipped graph normalises over padding
and quantises over the whole batch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, GraphWriter
from stenod_models.export.row_quantised import QuantisedMatrix, QuantisedRows, matmul, quantise_rows
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.rotary import padded_head_columns, rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights

_EPSILON = 1e-5
_MASKED = -1e4  # exp() of it is exactly 0, and unlike -inf it survives subtraction
# One spare channel per head carries the key mask: query 1 × key bias. So the attention needs no mask input and
# runs as flash attention, which never stores the frames × frames scores. Four, to keep rows aligned.
_PADDED_HEAD_SIZE = arch.HEAD_SIZE + 4
_MAX_FRAMES = 4096


def build_encoder(weights: MoonshineWeights) -> GraphWriter:
    graph = GraphWriter("moonshine_encoder")
    audio = graph.input("audio", "int16", ["batch", "padded_samples"])
    samples = graph.input("samples", "int32", ["batch"])
    features = _convolutions(graph, weights, audio, graph.op("Cast", samples, to=7))
    valid = _is_valid(graph, features, graph.op("Cast", samples, to=7))
    bias = graph.op("Where", valid, graph.const(0.0), graph.const(_MASKED))  # [batch, frames]
    hidden = _layers(graph, weights, features, graph.op("Unsqueeze", bias, graph.ints(2)))
    _cross_attention_outputs(graph, weights, _norm(graph, weights, "encoder.layer_norm", hidden))
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
    """bool [batch, frames]."""
    frames = samples
    for kernel, stride in ((127, 64), (7, 3), (3, 2)):
        frames = _floor_div_plus_one(graph, frames, kernel, stride)
    return graph.op("Less", _positions(graph, features), graph.op("Unsqueeze", frames, graph.ints(1)))


def _convolutions(graph: GraphWriter, weights: MoonshineWeights, audio: str, samples: str) -> str:
    """Strided convolutions as matrix products over groups of `stride` rows. Returns [batch, frames, width]."""
    scaled = graph.op("Mul", graph.op("Cast", audio, to=1), graph.const(1 / 32768))
    hops = graph.op("Reshape", scaled, graph.ints(0, -1, 64))
    pieces = graph.op("Concat", graph.slice(hops, 1, 0, -1), _tail(graph, hops, 1, 63), axis=2)
    first = graph.op("Tanh", graph.op("MatMul", pieces, _kernel(graph, weights, "encoder.conv1")))
    mean, inverse = _group_statistics(graph, first, samples)

    triples = graph.op("Reshape", first, graph.ints(0, -1, 3 * arch.WIDTH))
    pieces = graph.op(
        "Concat",
        graph.slice(triples, 1, 0, -2),
        graph.slice(triples, 1, 1, -1),
        _tail(graph, triples, 2, arch.WIDTH),
        axis=2,
    )
    second = graph.op("Gelu", _normalised_conv2(graph, weights, pieces, mean, inverse), domain=CONTRIB)

    pairs = graph.op("Reshape", second, graph.ints(0, -1, 4 * arch.WIDTH))
    pieces = graph.op("Concat", graph.slice(pairs, 1, 0, -1), _tail(graph, pairs, 1, 2 * arch.WIDTH), axis=2)
    third = graph.op("MatMul", pieces, _kernel(graph, weights, "encoder.conv3"))
    bias = graph.weight("encoder.conv3.bias", weights.floats["encoder.conv3.bias"])
    return graph.op("BiasGelu", third, bias, domain=CONTRIB)


def _tail(graph: GraphWriter, rows: str, offset: int, width: int) -> str:
    return graph.slice(graph.slice(rows, 1, offset, np.iinfo(np.int64).max), 2, 0, width)


def _kernel(graph: GraphWriter, weights: MoonshineWeights, name: str, scale: npt.NDArray[Any] | None = None) -> str:
    """(outputs, inputs, taps) → (taps × inputs, outputs); `scale` multiplies each input channel."""
    kernel = weights.floats[f"{name}.weight"]
    if scale is not None:
        kernel = kernel * scale.reshape(1, -1, 1)
    return graph.weight(f"{name}.kernel", kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0]).astype(np.float32))


def _group_statistics(graph: GraphWriter, value: str, samples: str) -> tuple[str, str]:
    """Mean and inverse deviation over the valid frames and all channels; float [batch, 1, 1] each.

    Sums over time are in double, so that the grouping of additions, which depends on the padded length, cannot
    show in the float result.
    """
    count = graph.op("Unsqueeze", _floor_div_plus_one(graph, samples, 127, 64), graph.ints(1))
    valid = graph.op("Less", _positions(graph, value), count)
    total = graph.op("Cast", graph.op("Mul", count, graph.const(arch.WIDTH, np.int64)), to=11)

    def average(per_frame: str) -> str:
        masked = graph.op("Where", valid, per_frame, graph.const(0.0))
        summed = graph.op("ReduceSum", graph.op("Cast", masked, to=11), graph.ints(1), keepdims=1)
        return graph.op("Div", summed, total)

    mean = average(graph.op("ReduceSum", value, graph.ints(-1), keepdims=0))
    square = average(graph.op("ReduceSumSquare", value, graph.ints(-1), keepdims=0))
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    deviation = graph.op("Sqrt", graph.op("Add", variance, graph.const(_EPSILON, np.float64)))
    inverse = graph.op("Reciprocal", deviation)
    return tuple(graph.op("Unsqueeze", graph.op("Cast", item, to=1), graph.ints(2)) for item in (mean, inverse))  # type: ignore[return-value]


def _normalised_conv2(graph: GraphWriter, weights: MoonshineWeights, pieces: str, mean: str, inverse: str) -> str:
    """Group normalisation and conv2 in one product.

    conv(((x - mean) * inverse) * gamma + beta) = inverse * conv_gamma(x) + (bias + sum(W beta) - mean * inverse * sum(W gamma)),
    which spares a pass over the longest activation of the model.
    """
    gamma, beta = weights.floats["encoder.groupnorm.weight"], weights.floats["encoder.groupnorm.bias"]
    kernel = weights.floats["encoder.conv2.weight"].astype(np.float64)
    fixed = weights.floats["encoder.conv2.bias"] + (kernel * beta.reshape(1, -1, 1)).sum(axis=(1, 2))
    moving = (kernel * gamma.reshape(1, -1, 1)).sum(axis=(1, 2))
    product = graph.op("MatMul", pieces, _kernel(graph, weights, "encoder.conv2", gamma))
    shift = graph.op(
        "Sub",
        graph.weight("encoder.conv2.fixed", fixed.astype(np.float32)),
        graph.op(
            "Mul",
            graph.op("Mul", mean, inverse),
            graph.weight("encoder.conv2.moving", moving.astype(np.float32)),
        ),
    )
    return graph.op("Add", graph.op("Mul", product, inverse), shift)


def _norm(graph: GraphWriter, weights: MoonshineWeights, name: str, value: str) -> str:
    scale = graph.weight(f"{name}.weight", weights.floats[f"{name}.weight"])
    return graph.op("LayerNormalization", value, scale, axis=-1, epsilon=_EPSILON)


def _layers(graph: GraphWriter, weights: MoonshineWeights, hidden: str, bias: str) -> str:
    carrier = np.zeros(arch.HEADS * _PADDED_HEAD_SIZE, np.float32)
    carrier[arch.HEAD_SIZE :: _PADDED_HEAD_SIZE] = 1.0
    key_bias = graph.op("Mul", bias, graph.weight("encoder.mask_carrier", carrier))
    for layer in range(arch.LAYERS):
        prefix = f"encoder.layers.{layer}"
        normed = quantise_rows(graph, _norm(graph, weights, f"{prefix}.input_layernorm", hidden))
        attended = _self_attention(graph, weights, prefix, normed, key_bias)
        out = matmul(
            graph, quantise_rows(graph, attended), f"{prefix}.o_proj", weights.matrices[f"{prefix}.self_attn.o_proj"]
        )
        hidden = graph.op("Add", hidden, out)
        hidden = graph.op("Add", hidden, _feed_forward(graph, weights, prefix, hidden))
    return hidden


def _self_attention(
    graph: GraphWriter, weights: MoonshineWeights, prefix: str, rows: QuantisedRows, key_bias: str
) -> str:
    columns = padded_head_columns(_PADDED_HEAD_SIZE)
    query, key, value = (weights.matrices[f"{prefix}.self_attn.{name}_proj"] for name in "qkv")
    joined = QuantisedMatrix.side_by_side([query.columns(columns), key.columns(columns), value])
    padded_width = arch.HEADS * _PADDED_HEAD_SIZE
    split = graph.ops(
        "Split",
        [matmul(graph, rows, f"{prefix}.qkv", joined), graph.ints(padded_width, padded_width, arch.WIDTH)],
        3,
        axis=-1,
    )
    rotated_query, rotated_key = (_rotate(graph, item) for item in split[:2])
    ones = np.zeros(2 * padded_width + arch.WIDTH, np.float32)
    ones[arch.HEAD_SIZE : padded_width : _PADDED_HEAD_SIZE] = 1.0
    return graph.op(
        "MultiHeadAttention",
        rotated_query,
        graph.op("Add", rotated_key, key_bias),
        split[2],
        graph.weight("encoder.query_mask_carrier", ones),
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
    normed = quantise_rows(graph, _norm(graph, weights, f"{prefix}.post_attention_layernorm", hidden))
    inner = matmul(graph, normed, f"{prefix}.fc1", weights.matrices[f"{prefix}.mlp.fc1"])
    bias = graph.weight(f"{prefix}.fc1.bias", weights.floats[f"{prefix}.mlp.fc1.bias"])
    rows = quantise_rows(graph, graph.op("BiasGelu", inner, bias, domain=CONTRIB))
    outer = matmul(graph, rows, f"{prefix}.fc2", weights.matrices[f"{prefix}.mlp.fc2"])
    return graph.op("Add", outer, graph.weight(f"{prefix}.fc2.bias", weights.floats[f"{prefix}.mlp.fc2.bias"]))


def _cross_attention_outputs(graph: GraphWriter, weights: MoonshineWeights, hidden: str) -> None:
    """One product gives the keys and values of all decoder layers; they are laid out as the decoder reads them."""
    names = [f"decoder.layers.{layer}.encoder_attn.{part}_proj" for layer in range(arch.LAYERS) for part in "kv"]
    joined = QuantisedMatrix.side_by_side([weights.matrices[name] for name in names])
    product = matmul(graph, quantise_rows(graph, hidden), "encoder.cross", joined)
    parts = graph.ops("Split", [product], len(names), axis=-1, num_outputs=len(names))
    for index, part in enumerate(parts):
        heads = graph.op("Reshape", part, graph.ints(0, 0, arch.HEADS, arch.HEAD_SIZE))
        if index % 2 == 0:
            name, order = f"cross_key_{index // 2}", [0, 2, 3, 1]
            shape: list[int | str] = ["batch", arch.HEADS, arch.HEAD_SIZE, "frames"]
        else:
            name, order = f"cross_value_{index // 2}", [0, 2, 1, 3]
            shape = ["batch", arch.HEADS, "frames", arch.HEAD_SIZE]
        graph.ops("Transpose", [heads], [name], perm=order)
        graph.output_of(name, "float", shape)
