"""Takes the weights of Moonshine tiny out of the published ORT-format files.

ONNX Runtime reads the files and writes them back as ONNX without optimising; the 8-bit matrices are then found by
the names of the nodes that use them. Names here follow Hugging Face's Moonshine modules, under `encoder.` and
`decoder.`.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

from stenod_models.export.quantised import QuantisedMatrix

FloatArray = npt.NDArray[np.float32]

_PROJECTION: Final = re.compile(
    r"^/(?:model/decoder/)?(layers\.\d+)/(self_attn|encoder_attn|mlp)/(\w+)/(?:MatMul|Add)_output_0$"
)
_ORT_WARNINGS_OFF: Final = 3
# Where each 8-bit product keeps its weight, scale and zero point among the node's inputs.
_MATRIX_INPUTS: Final = {"MatMulIntegerToFloat": (1, 3, 5), "DynamicQuantizeMatMul": (1, 2, 3)}


@dataclass(frozen=True, slots=True)
class MoonshineWeights:
    matrices: dict[str, QuantisedMatrix]
    floats: dict[str, FloatArray]


def read_weights(encoder_ort: Path, decoder_ort: Path) -> MoonshineWeights:
    """Blocks for a few seconds. Raises KeyError where a file is not the expected model."""
    encoder = _as_onnx(encoder_ort)
    decoder = _as_onnx(decoder_ort)
    weights = MoonshineWeights({}, {})
    _collect(encoder, "encoder.", weights)
    _collect(decoder, "decoder.", weights)
    weights.floats["encoder.groupnorm.weight"] = _input_of(encoder, "/groupnorm/Mul_output_0", 1)
    weights.floats["encoder.groupnorm.bias"] = _input_of(encoder, "/groupnorm/Add_output_0", 1)
    weights.matrices["decoder.embedding"] = _embedding(decoder)
    return weights


def _as_onnx(path: Path) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ORT_WARNINGS_OFF
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry("session.save_model_format", "ONNX")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(str(target))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and the branches of its `If` nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


def _initializers(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    return {item.name: numpy_helper.to_array(item) for graph in _graphs(model.graph) for item in graph.initializer}


def _collect(model: onnx.ModelProto, prefix: str, weights: MoonshineWeights) -> None:
    constants = _initializers(model)
    for graph in _graphs(model.graph):
        for node in graph.node:
            places = _MATRIX_INPUTS.get(node.op_type)
            if places:
                values, scale, zero = (constants[node.input[place]] for place in places)
                weights.matrices[prefix + _matrix_name(node.output[0])] = _signed(values, scale, zero)
    for name, value in constants.items():
        short = name.removeprefix("model.decoder.").removesuffix("_merged_0").removesuffix("_add_tensor")
        if value.dtype == np.float32 and short.endswith((".weight", ".bias")):
            weights.floats[prefix + short] = value


def _matrix_name(output: str) -> str:
    if output == "logits":
        return "logits"
    found = _PROJECTION.match(output)
    if found is None:
        raise KeyError(output)
    return ".".join(found.groups())


def _signed(
    values: npt.NDArray[np.uint8], scale: npt.NDArray[np.float32], zero: npt.NDArray[np.uint8]
) -> QuantisedMatrix:
    """The same numbers around 0 instead of 128."""
    shifted = values.astype(np.int16) - 128
    return QuantisedMatrix(shifted.astype(np.int8), scale, (zero.astype(np.int16) - 128).astype(np.int8))


def _embedding(model: onnx.ModelProto) -> QuantisedMatrix:
    constants = _initializers(model)
    values, scale, zero = (
        constants[f"model.decoder.embed_tokens.weight_merged_0_{part}"] for part in ("quantized", "scale", "zero_point")
    )
    return _signed(values, scale, zero)


def _input_of(model: onnx.ModelProto, output: str, place: int) -> FloatArray:
    constants = _initializers(model)
    node = next(node for node in model.graph.node if output in node.output)
    return constants[node.input[place]].astype(np.float32)
