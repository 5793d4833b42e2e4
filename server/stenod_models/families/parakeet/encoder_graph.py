"""Writes the FastConformer encoder as an ONNX graph whose result for a window depends on neither batch nor padding.

Rekesh et al., "Fast Conformer with Linearly Scalable Attention for Efficient Speech Recognition", arXiv 2305.05084;
relative positions as in Dai et al., "Transformer-XL", arXiv 1901.02860. Everything that looks beside its own frame is
masked to the window's frames: the three subsampling convolutions, the attention, the depthwise convolution.
"""

from typing import Final

import numpy as np

from stenod_models.export.graph_writer import FLOAT, GraphWriter
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.graph_parts import FloatArray, Linear, Weights, swish

FEATURES: Final = "features"  # float32 (batch, frames, bands)
FRAMES: Final = "frames"  # int64 (batch,), how many of them are the window's own
ENCODED: Final = "encoded"  # float32 (batch, encoded frames, width): what the joint network adds to
TOKENS: Final = "tokens"  # of a CTC model: int64 (batch, encoded frames)
PROBABILITIES: Final = "probabilities"  # of a CTC model: float32 (batch, encoded frames)
SCORES: Final = "scores"  # of a CTC model: float32 (batch, encoded frames, vocabulary), logits

_MASKED: Final = -1e9
_POINTWISE: Final = (0, 3, 6)  # of the subsampling stack: the first convolution and those that mix channels
_DEPTHWISE: Final = (None, 2, 5)
_POSITION_BASE: Final = 10_000.0
_NORM_EPSILON: Final = 1e-5


def build_encoder(weights: Weights, architecture: Architecture) -> GraphWriter:
    """`weights` carries the names of transformers' Parakeet models, as (outputs, inputs)."""
    writer = _EncoderWriter(weights, architecture)
    writer.write()
    return writer.graph


class _EncoderWriter:
    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        self.graph = GraphWriter("parakeet_encoder")
        self._weights = weights
        self._arch = architecture
        self._linear = Linear(self.graph, is_quantised=architecture.precision == "int8")
        self._head_size = architecture.hidden_size // architecture.heads

    def write(self) -> None:
        graph = self.graph
        features = graph.input(FEATURES, "float", ["batch", "frames", self._arch.mel_bins])
        lengths = graph.input(FRAMES, "int64", ["batch"])
        hidden, lengths = self._subsample(features, lengths)
        mask = self._mask(lengths, hidden, axis=1)
        positions = self._positions(hidden)
        bias = self._attention_bias(mask)
        column = graph.op("Unsqueeze", graph.op("Cast", mask, to=FLOAT), graph.ints(2))
        for layer in range(self._arch.layers):
            hidden = self._block(hidden, f"encoder.layers.{layer}", positions, bias, column)
        self._head(hidden)

    def _head(self, hidden: str) -> None:
        graph = self.graph
        if self._arch.kind != "ctc":
            projected = self._project(hidden, "encoder_projector")
            graph.output(projected, ENCODED, "float", ["batch", "encoded", self._arch.predictor_size])
            return
        matrix = self._weights["ctc_head.weight"][:, :, 0].T
        logits = self._linear(hidden, "ctc_head", matrix, self._weights["ctc_head.bias"])
        graph.output(logits, SCORES, "float", ["batch", "encoded", self._arch.vocabulary_size])
        tokens = graph.op("ArgMax", logits, axis=-1, keepdims=0)
        graph.output(tokens, TOKENS, "int64", ["batch", "encoded"])
        graph.output(best_probability(graph, logits), PROBABILITIES, "float", ["batch", "encoded"])

    def _subsample(self, features: str, lengths: str) -> tuple[str, str]:
        """Features to hidden frames, and how many of each window are its own."""
        graph = self.graph
        image = graph.op("Unsqueeze", features, graph.ints(1))
        image = self._masked(image, lengths)
        for depthwise, pointwise in zip(_DEPTHWISE, _POINTWISE, strict=True):
            if depthwise is None:
                image = self._convolve(image, pointwise, stride=2)
            else:
                image = self._convolve(self._convolve(image, depthwise, stride=2), pointwise, stride=1)
            less = graph.op("Sub", lengths, graph.ints(1))
            lengths = graph.op("Add", graph.op("Div", less, graph.ints(2)), graph.ints(1))
            image = self._masked(graph.op("Relu", image), lengths)
        rows = graph.op("Reshape", graph.op("Transpose", image, perm=[0, 2, 1, 3]), graph.ints(0, 0, -1))
        hidden = self._project(rows, "encoder.subsampling.linear")
        if self._arch.scale_input:
            hidden = graph.op("Mul", hidden, graph.const(np.sqrt(self._arch.hidden_size)))
        return hidden, lengths

    def _convolve(self, image: str, index: int, *, stride: int) -> str:
        name = f"encoder.subsampling.layers.{index}"
        kernel = self._weights[f"{name}.weight"]
        size = kernel.shape[2]
        channels = self._weights["encoder.subsampling.layers.0.weight"].shape[0]
        is_depthwise = kernel.shape[1] == 1 and index != 0
        return self.graph.op(
            "Conv",
            image,
            self.graph.weight(f"{name}.weight", kernel),
            self.graph.weight(f"{name}.bias", self._weights[f"{name}.bias"]),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[(size - 1) // 2] * 4,
            group=channels if is_depthwise else 1,
        )

    def _masked(self, image: str, lengths: str) -> str:
        """Zero the rows (axis 2) that are padding."""
        mask = self.graph.op("Cast", self._mask(lengths, image, axis=2), to=FLOAT)
        return self.graph.op("Mul", image, self.graph.op("Unsqueeze", mask, self.graph.ints(1, 3)))

    def _mask(self, lengths: str, value: str, *, axis: int) -> str:
        """(batch, frames): which of the frames along `axis` are the window's own."""
        graph = self.graph
        count = graph.op("Squeeze", graph.op("Shape", value, start=axis, end=axis + 1), graph.ints(0))
        places = graph.op("Range", graph.const(0, np.int64), count, graph.const(1, np.int64))
        return graph.op("Less", places, graph.op("Unsqueeze", lengths, graph.ints(1)))

    def _attention_bias(self, mask: str) -> str:
        """(batch, 1, 1, frames): nothing for the window's own frames, far below everything for padding."""
        bias = self.graph.op("Where", mask, self.graph.const(0.0), self.graph.const(_MASKED))
        return self.graph.op("Unsqueeze", bias, self.graph.ints(1, 2))

    def _positions(self, hidden: str) -> str:
        """(2 x frames - 1, hidden size): sines and cosines of the offsets frames - 1 down to 1 - frames."""
        graph = self.graph
        size = self._arch.hidden_size
        rates = _POSITION_BASE ** -(np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
        count = graph.op("Squeeze", graph.op("Shape", hidden, start=1, end=2), graph.ints(0))
        first = graph.op("Sub", count, graph.const(1, np.int64))
        offsets = graph.op("Range", first, graph.op("Neg", count), graph.const(-1, np.int64))
        column = graph.op("Unsqueeze", graph.op("Cast", offsets, to=FLOAT), graph.ints(1))
        angles = graph.op("Mul", column, graph.weight("position_rates", rates.astype(np.float32)))
        pairs = [graph.op("Unsqueeze", graph.op(name, angles), graph.ints(2)) for name in ("Sin", "Cos")]
        return graph.op("Reshape", graph.op("Concat", *pairs, axis=2), graph.ints(-1, size))

    def _block(self, hidden: str, name: str, positions: str, bias: str, column: str) -> str:
        hidden = self._half_step(hidden, name, "feed_forward1")
        attended = self._attention(self._norm(hidden, f"{name}.norm_self_att"), name, positions, bias)
        hidden = self.graph.op("Add", hidden, attended)
        convolved = self._convolution(self._norm(hidden, f"{name}.norm_conv"), f"{name}.conv", column)
        hidden = self.graph.op("Add", hidden, convolved)
        return self._norm(self._half_step(hidden, name, "feed_forward2"), f"{name}.norm_out")

    def _half_step(self, hidden: str, name: str, part: str) -> str:
        inner = self._project(self._norm(hidden, f"{name}.norm_{part}"), f"{name}.{part}.linear1")
        outer = self._project(swish(self.graph, inner), f"{name}.{part}.linear2")
        return self.graph.op("Add", hidden, self.graph.op("Mul", outer, self.graph.const(0.5)))

    def _attention(self, hidden: str, name: str, positions: str, bias: str) -> str:
        graph = self.graph
        part = f"{name}.self_attn"
        fused, fused_bias = self._fused(part)
        joined = self._linear(hidden, f"{part}.qkv", fused, fused_bias)
        query, key, value = graph.ops("Split", [joined], 3, axis=2, num_outputs=3)
        scale = np.float32(self._head_size**-0.5)
        rows = self._split_heads(query)
        content = self._scores(self._biased(rows, f"{part}.bias_u", scale), self._split_heads(key, perm=[0, 2, 3, 1]))
        offsets = graph.op(
            "MatMul", positions, graph.weight(f"{part}.relative", self._weights[f"{part}.relative_k_proj.weight"].T)
        )
        offsets = graph.op("Reshape", offsets, graph.ints(1, -1, self._arch.heads, self._head_size))
        relative = self._scores(
            self._biased(rows, f"{part}.bias_v", scale), graph.op("Transpose", offsets, perm=[0, 2, 3, 1])
        )
        scores = graph.op("Add", graph.op("Add", content, self._shifted(relative)), bias)
        mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), self._split_heads(value))
        flat = graph.op(
            "Reshape", graph.op("Transpose", mixed, perm=[0, 2, 1, 3]), graph.ints(0, 0, self._arch.hidden_size)
        )
        return self._project(flat, f"{part}.o_proj")

    def _fused(self, part: str) -> tuple[FloatArray, FloatArray | None]:
        names = [f"{part}.{letter}_proj" for letter in "qkv"]
        matrix = np.concatenate([self._weights[f"{name}.weight"].T for name in names], axis=1)
        biases = [self._weights[f"{name}.bias"] for name in names if f"{name}.bias" in self._weights]
        return matrix, np.concatenate(biases) if biases else None

    def _split_heads(self, value: str, perm: tuple[int, ...] | list[int] = (0, 2, 1, 3)) -> str:
        shaped = self.graph.op("Reshape", value, self.graph.ints(0, 0, self._arch.heads, self._head_size))
        return self.graph.op("Transpose", shaped, perm=list(perm))

    def _biased(self, rows: str, name: str, scale: np.float32) -> str:
        offset = self.graph.weight(name, self._weights[name][:, None, :])
        return self.graph.op("Mul", self.graph.op("Add", rows, offset), self.graph.const(scale))

    def _scores(self, rows: str, columns: str) -> str:
        return self.graph.op("MatMul", rows, columns)

    def _shifted(self, scores: str) -> str:
        """Row i moved so that its column j tells of offset i - j: (…, frames, 2 x frames - 1) to (…, frames, frames).

        Transformer-XL, appendix B: a column of padding and a change of shape do it without gathering.
        """
        graph = self.graph
        padded = graph.op("Pad", scores, graph.ints(0, 0, 0, 1, 0, 0, 0, 0), graph.const(0.0))
        shape = graph.op("Shape", scores)
        head = graph.slice(shape, 0, 0, 2)
        frames = graph.slice(shape, 0, 2, 3)
        turned = graph.op("Reshape", padded, graph.op("Concat", head, graph.ints(-1), frames, axis=0))
        shifted = graph.op("Reshape", graph.slice(turned, 2, 1, np.iinfo(np.int64).max), shape)
        return graph.op("Slice", shifted, graph.ints(0), frames, graph.ints(3))

    def _convolution(self, hidden: str, name: str, column: str) -> str:
        graph = self.graph
        both = self._pointwise(hidden, f"{name}.pointwise_conv1")
        value, gate = graph.ops("Split", [both], 2, axis=2, num_outputs=2)
        gated = graph.op("Mul", graph.op("Mul", value, graph.op("Sigmoid", gate)), column)
        kernel, offset = self._depthwise(name)
        size = kernel.shape[2]
        convolved = graph.op(
            "Conv",
            graph.op("Transpose", gated, perm=[0, 2, 1]),
            graph.weight(f"{name}.depthwise.weight", kernel),
            graph.weight(f"{name}.depthwise.bias", offset),
            kernel_shape=[size],
            pads=[(size - 1) // 2] * 2,
            group=self._arch.hidden_size,
        )
        rows = graph.op("Transpose", swish(graph, convolved), perm=[0, 2, 1])
        return self._pointwise(rows, f"{name}.pointwise_conv2")

    def _depthwise(self, name: str) -> tuple[FloatArray, FloatArray]:
        """The depthwise convolution with the batch normalisation after it folded in."""
        gain = self._weights[f"{name}.norm.weight"] / np.sqrt(self._weights[f"{name}.norm.running_var"] + _NORM_EPSILON)
        bias = self._weights.get(f"{name}.depthwise_conv.bias", np.zeros_like(gain))
        offset = (bias - self._weights[f"{name}.norm.running_mean"]) * gain + self._weights[f"{name}.norm.bias"]
        kernel = self._weights[f"{name}.depthwise_conv.weight"] * gain[:, None, None]
        return kernel.astype(np.float32), offset.astype(np.float32)

    def _pointwise(self, hidden: str, name: str) -> str:
        matrix = self._weights[f"{name}.weight"][:, :, 0].T
        return self._linear(hidden, name, matrix, self._weights.get(f"{name}.bias"))

    def _project(self, hidden: str, name: str) -> str:
        return self._linear(hidden, name, self._weights[f"{name}.weight"].T, self._weights.get(f"{name}.bias"))

    def _norm(self, hidden: str, name: str) -> str:
        return self.graph.op(
            "LayerNormalization",
            hidden,
            self.graph.weight(f"{name}.weight", self._weights[f"{name}.weight"]),
            self.graph.weight(f"{name}.bias", self._weights[f"{name}.bias"]),
            axis=-1,
            epsilon=_NORM_EPSILON,
        )


def best_probability(graph: GraphWriter, logits: str) -> str:
    """The softmax of the likeliest token, without the softmax of all the others."""
    best = graph.op("ReduceMax", logits, graph.ints(-1), keepdims=0)
    return graph.op("Exp", graph.op("Sub", best, graph.op("ReduceLogSumExp", logits, graph.ints(-1), keepdims=0)))
