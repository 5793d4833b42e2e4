"""The embedding graph (CAM++): features of one voice in, what its speaker sounds like out.

Input:  features float [batch, frames, MEL_BINS], all `frames` of them speech: nothing is masked
Output: embedding float [batch, DIMENSIONS], not normalised

Batch normalisation is folded into the product before it, where there is one. The context that masks a layer is the
same for all frames of a segment, so it is computed once for each and spread afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import FLOAT, GraphWriter
from stenod_models.families.voices import architecture as arch

Weights = Mapping[str, npt.NDArray[Any]]
FloatArray = npt.NDArray[np.float32]

_EPSILON: Final = 1e-5
_NORM_PARTS: Final = ("weight", "bias", "running_mean", "running_var")


def build_embedding(weights: Weights) -> GraphWriter:
    """From the tensors of a CAM++ of 192 dimensions. Raises KeyError where one is missing."""
    graph = GraphWriter("voices_embedding")
    features = graph.input("features", "float", ["batch", "frames", arch.MEL_BINS])
    value = _head(graph, weights, graph.op("Transpose", features, perm=[0, 2, 1]))
    tdnn = _folded(weights, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm")
    value = graph.op("Relu", _conv(graph, "tdnn", tdnn, value, strides=[2], pads=[2, 2]))
    segments = _Segments.of(graph, graph.op("Shape", value, start=2, end=3))
    for block, (layers, dilation) in enumerate(arch.BLOCKS, start=1):
        for layer in range(1, layers + 1):
            grown = _dense_layer(graph, weights, f"xvector.block{block}.tdnnd{layer}", value, segments, dilation)
            value = graph.op("Concat", value, grown, axis=1)
        value = _transit(graph, weights, block, value)
    graph.output(_pooled(graph, weights, value), "embedding", "float", ["batch", arch.DIMENSIONS])
    return graph


@dataclass(frozen=True, slots=True)
class _Segments:
    """Names of what is common to all layers: how to cut frames into segments and to spread these again."""

    padding: str  # of [batch, channels, frames] up to whole segments
    reciprocal: str  # of the frames in each segment, [segments]
    places: str  # the segment of each frame

    @classmethod
    def of(cls, graph: GraphWriter, frames: str) -> "_Segments":
        """`frames`: their count, [1]."""
        size, one, zero = (graph.ints(number) for number in (arch.SEGMENT_FRAMES, 1, 0))
        last = graph.op("Div", graph.op("Sub", frames, one), size)
        missing = graph.op("Sub", graph.op("Mul", graph.op("Add", last, one), size), frames)
        padding = graph.op("Concat", graph.ints(0, 0, 0, 0, 0), missing, axis=0)
        starts = graph.op("Mul", graph.op("Range", zero, graph.op("Add", last, one), one), size)
        counts = graph.op("Min", graph.op("Sub", frames, starts), size)
        places = graph.op("Div", graph.op("Range", zero, frames, one), size)
        return cls(padding, graph.op("Reciprocal", graph.op("Cast", counts, to=FLOAT)), places)

    def means(self, graph: GraphWriter, value: str) -> str:
        """[batch, channels, frames] → [batch, channels, segments]."""
        padded = graph.op("Pad", value, self.padding)
        cut = graph.op("Reshape", padded, graph.ints(0, 0, -1, arch.SEGMENT_FRAMES))
        return graph.op("Mul", graph.op("ReduceSum", cut, graph.ints(3), keepdims=0), self.reciprocal)


def _head(graph: GraphWriter, weights: Weights, value: str) -> str:
    """Residual convolutions over bands and time; the bands are halved three times. → [batch, 320, frames]."""
    value = graph.op("Unsqueeze", value, graph.ints(1))
    value = graph.op("Relu", _conv_2d(graph, weights, "head.conv1", "head.bn1", value))
    for layer in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
        stride = 2 if layer.endswith(".0") else 1
        inner = graph.op("Relu", _conv_2d(graph, weights, f"{layer}.conv1", f"{layer}.bn1", value, stride))
        inner = _conv_2d(graph, weights, f"{layer}.conv2", f"{layer}.bn2", inner)
        if stride > 1:
            value = _conv_2d(graph, weights, f"{layer}.shortcut.0", f"{layer}.shortcut.1", value, stride)
        value = graph.op("Relu", graph.op("Add", inner, value))
    value = graph.op("Relu", _conv_2d(graph, weights, "head.conv2", "head.bn2", value, 2))
    return graph.op("Reshape", value, graph.ints(0, weights["xvector.tdnn.linear.weight"].shape[1], -1))


def _conv_2d(graph: GraphWriter, weights: Weights, conv: str, norm: str, value: str, stride: int = 1) -> str:
    folded = _folded(weights, conv, norm)
    reach = folded[0].shape[-1] // 2
    return _conv(graph, conv, folded, value, strides=[stride, 1], pads=[reach] * 4)


def _dense_layer(
    graph: GraphWriter, weights: Weights, name: str, value: str, segments: _Segments, dilation: int
) -> str:
    narrowed = _folded(weights, f"{name}.linear1", f"{name}.nonlinear2.batchnorm")
    value = _normed(graph, weights, f"{name}.nonlinear1.batchnorm", value)
    value = graph.op("Relu", _conv(graph, f"{name}.linear1", narrowed, value))
    local = weights[f"{name}.cam_layer.linear_local.weight"]
    grown = _conv(graph, f"{name}.local", (local, None), value, dilations=[dilation], pads=[dilation] * 2)
    everywhere = graph.op("ReduceMean", value, graph.ints(2), keepdims=1)
    context = graph.op("Add", segments.means(graph, value), everywhere)
    inner = graph.op("Relu", _conv(graph, f"{name}.mask1", _biased(weights, f"{name}.cam_layer.linear1"), context))
    mask = graph.op("Sigmoid", _conv(graph, f"{name}.mask2", _biased(weights, f"{name}.cam_layer.linear2"), inner))
    return graph.op("Mul", grown, graph.op("Gather", mask, segments.places, axis=2))


def _transit(graph: GraphWriter, weights: Weights, block: int, value: str) -> str:
    """Halves the channels; the last one is followed by a normalisation, which is folded into it."""
    name = f"xvector.transit{block}"
    value = _normed(graph, weights, f"{name}.nonlinear.batchnorm", value)
    if block < len(arch.BLOCKS):
        return _conv(graph, name, (weights[f"{name}.linear.weight"], None), value)
    folded = _folded(weights, f"{name}.linear", "xvector.out_nonlinear.batchnorm")
    return graph.op("Relu", _conv(graph, name, folded, value))


def _pooled(graph: GraphWriter, weights: Weights, value: str) -> str:
    """Mean and (unbiased) deviation over all frames, then one product."""
    mean = graph.op("ReduceMean", value, graph.ints(2), keepdims=1)
    squares = graph.op("ReduceSumSquare", graph.op("Sub", value, mean), graph.ints(2), keepdims=0)
    frames = graph.op("Cast", graph.op("Shape", value, start=2, end=3), to=FLOAT)
    variance = graph.op("Div", squares, graph.op("Sub", frames, graph.const(1.0)))
    both = graph.op("Concat", graph.op("Squeeze", mean, graph.ints(2)), graph.op("Sqrt", variance), axis=1)
    kernel, bias = _folded(weights, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")
    product = graph.op("MatMul", both, graph.weight("dense.matrix", kernel[:, :, 0].T))
    return graph.op("Add", product, graph.weight("dense.bias", bias))


def _conv(
    graph: GraphWriter, name: str, kernel_and_bias: tuple[FloatArray, FloatArray | None], value: str, **shape: Any
) -> str:
    kernel, bias = kernel_and_bias
    biases = [] if bias is None else [graph.weight(f"{name}.bias", bias)]
    return graph.op("Conv", value, graph.weight(f"{name}.kernel", kernel), *biases, **shape)


def _biased(weights: Weights, name: str) -> tuple[FloatArray, FloatArray]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _scale_and_shift(weights: Weights, norm: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What a batch normalisation multiplies with and adds; the last one of the network has learnt neither."""
    mean, variance = (weights[f"{norm}.running_{part}"].astype(np.float64) for part in ("mean", "var"))
    scale = weights.get(f"{norm}.weight", np.float64(1.0)) / np.sqrt(variance + _EPSILON)
    return scale, weights.get(f"{norm}.bias", np.float64(0.0)) - mean * scale


def _folded(weights: Weights, conv: str, norm: str) -> tuple[FloatArray, FloatArray]:
    """Kernel and bias of a convolution without bias and the normalisation behind it."""
    kernel = weights[f"{conv}.weight"].astype(np.float64)
    scale, shift = _scale_and_shift(weights, norm)
    return (kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))).astype(np.float32), shift.astype(np.float32)


def _normed(graph: GraphWriter, weights: Weights, norm: str, value: str) -> str:
    """Normalisation and rectifier in front of a product."""
    parts = (graph.weight(f"{norm}.{part}", weights[f"{norm}.{part}"]) for part in _NORM_PARTS)
    return graph.op("Relu", graph.op("BatchNormalization", value, *parts, epsilon=_EPSILON))
