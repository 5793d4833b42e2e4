"""The segmentation graph: chunks of int16 audio in, how likely each set of speakers is in every frame out.

Input:  audio int16 [batch, CHUNK_SAMPLES]
Output: classes float [batch, CHUNK_FRAMES, len(POWERSET)], before the softmax (which changes no order)

SincNet (M. Ravanelli and Y. Bengio, "Speaker recognition from raw waveform with SincNet", SLT 2018) with its band
filters evaluated, four bidirectional LSTM layers, three linear ones. Normalisation is of each chunk by itself.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.export.graph_writer import FLOAT, GraphWriter
from stenod_models.families.voices import architecture as arch

Weights = Mapping[str, npt.NDArray[Any]]

_HIDDEN: Final = 128
_LSTM_LAYERS: Final = 4
_SINC_STRIDE: Final = 10
_LEAST_LOW_HZ: Final = 50.0
_LEAST_BAND_HZ: Final = 50.0
_EPSILON: Final = 1e-5
_LEAK: Final = 0.01
_GATES: Final = (0, 3, 1, 2)  # ONNX has input, output, forget, cell; PyTorch input, forget, cell, output


def build_segmentation(weights: Weights) -> GraphWriter:
    """From the tensors of pyannote/segmentation-3.0. Raises KeyError where one is missing."""
    graph = GraphWriter("voices_segmentation")
    audio = graph.input("audio", "int16", ["batch", arch.CHUNK_SAMPLES])
    scaled = graph.op("Mul", graph.op("Cast", audio, to=FLOAT), graph.const(1 / 32768))
    hidden = _sincnet(graph, weights, graph.op("Unsqueeze", scaled, graph.ints(1)))
    hidden = graph.op("Transpose", hidden, perm=[2, 0, 1])  # frames, batch, channels: as the LSTM takes them
    for layer in range(_LSTM_LAYERS):
        hidden = _lstm(graph, weights, layer, hidden)
    hidden = graph.op("Transpose", hidden, perm=[1, 0, 2])
    for name in ("linear.0", "linear.1"):
        hidden = graph.op("LeakyRelu", _linear(graph, weights, name, hidden), alpha=_LEAK)
    classes = _linear(graph, weights, "classifier", hidden)
    graph.output(classes, "classes", "float", ["batch", arch.CHUNK_FRAMES, len(arch.POWERSET)])
    return graph


def _sincnet(graph: GraphWriter, weights: Weights, value: str) -> str:
    value = _instance_norm(graph, weights, "sincnet.wav_norm1d", value)
    filters = sinc_filters(
        weights["sincnet.conv1d.0.filterbank.low_hz_"], weights["sincnet.conv1d.0.filterbank.band_hz_"]
    )
    value = graph.op("Conv", value, graph.weight("sinc", filters), strides=[_SINC_STRIDE])
    value = graph.op("Abs", value)
    for layer in range(3):
        if layer:
            name = f"sincnet.conv1d.{layer}"
            kernel, bias = (graph.weight(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
            value = graph.op("Conv", value, kernel, bias)
        value = graph.op("MaxPool", value, kernel_shape=[3], strides=[3])
        value = _instance_norm(graph, weights, f"sincnet.norm1d.{layer}", value)
        value = graph.op("LeakyRelu", value, alpha=_LEAK)
    return value


def sinc_filters(low_hz: npt.NDArray[Any], band_hz: npt.NDArray[Any], taps: int = 251) -> npt.NDArray[np.float32]:
    """Band filters (2 * bands, 1, taps): the even ones, then the odd ones, each a windowed difference of two sincs.

    `low_hz` and `band_hz` are the learnt (bands, 1) offsets.
    """
    low = _LEAST_LOW_HZ + np.abs(low_hz.astype(np.float64))
    high = np.clip(low + _LEAST_BAND_HZ + np.abs(band_hz.astype(np.float64)), _LEAST_LOW_HZ, SAMPLE_RATE_HZ / 2)
    half = taps // 2
    angle = 2 * np.pi * np.arange(-half, 0) / SAMPLE_RATE_HZ
    window = np.hamming(taps)[:half] / (angle / 2)
    band = high - low
    even = (np.sin(high * angle) - np.sin(low * angle)) * window
    odd = (np.cos(low * angle) - np.cos(high * angle)) * window
    both = np.concatenate(
        [
            np.concatenate([even, 2 * band, even[:, ::-1]], axis=1) / (2 * band),
            np.concatenate([odd, np.zeros_like(band), -odd[:, ::-1]], axis=1) / (2 * band),
        ]
    )
    filters: npt.NDArray[np.float32] = both[:, None].astype(np.float32)
    return filters


def _instance_norm(graph: GraphWriter, weights: Weights, name: str, value: str) -> str:
    scale, shift = (graph.weight(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.op("InstanceNormalization", value, scale, shift, epsilon=_EPSILON)


def _lstm(graph: GraphWriter, weights: Weights, layer: int, value: str) -> str:
    """[frames, batch, inputs] → [frames, batch, 2 * hidden]."""
    places = [f"l{layer}", f"l{layer}_reverse"]
    inputs = np.stack([_gates(weights[f"lstm.weight_ih_{place}"]) for place in places])
    recurrent = np.stack([_gates(weights[f"lstm.weight_hh_{place}"]) for place in places])
    bias = np.stack(
        [np.concatenate([_gates(weights[f"lstm.bias_{part}_{place}"]) for part in ("ih", "hh")]) for place in places]
    )
    name = f"lstm.{layer}"
    out = graph.op(
        "LSTM",
        value,
        graph.weight(f"{name}.inputs", inputs),
        graph.weight(f"{name}.recurrent", recurrent),
        graph.weight(f"{name}.bias", bias),
        direction="bidirectional",
        hidden_size=_HIDDEN,
    )
    return graph.op("Reshape", graph.op("Transpose", out, perm=[0, 2, 1, 3]), graph.ints(0, 0, 2 * _HIDDEN))


def _gates(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    parts = np.split(matrix, 4)
    return np.concatenate([parts[place] for place in _GATES])


def _linear(graph: GraphWriter, weights: Weights, name: str, value: str) -> str:
    product = graph.op("MatMul", value, graph.weight(f"{name}.matrix", weights[f"{name}.weight"].T))
    return graph.op("Add", product, graph.weight(f"{name}.bias", weights[f"{name}.bias"]))
