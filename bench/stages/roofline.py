"""What the default model's arithmetic and memory traffic take at the least, from its shapes and from the speed of this
machine's own matrix products. One core; times are processor seconds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from stenod_models.families.moonshine import architecture as arch
from stenod_models.onnx_sessions import open_session

_INNER: Final = 4 * arch.WIDTH
_CONVOLUTIONS: Final = 6 * 127 * arch.WIDTH + 2 * 7 * arch.WIDTH * 2 * arch.WIDTH + 3 * 2 * arch.WIDTH**2
_OFFSET_BYTES: Final = 4  # of a frame and head, beside its key and its values of a byte for each number
_REPEATS: Final = 40


@dataclass(frozen=True, slots=True)
class Work:
    """`products_8bit` and `products_float` are operations (a multiplication and an addition are two) of matrices of
    8-bit integers and of floats; `bytes_read` are those of keys, values and weights, read once each time.
    """

    products_8bit: float
    products_float: float
    bytes_read: float


def encoder_work(frames: Sequence[int]) -> Work:
    """`frames` of each window; each is encoded alone. Cross-attention keys and values belong to it."""
    layers = arch.LAYERS * (4 * arch.WIDTH**2 + 2 * arch.WIDTH * _INNER) + arch.LAYERS * 2 * arch.WIDTH**2
    first = 6 * 127 * arch.WIDTH  # the one convolution in floats
    attended = 4 * arch.LAYERS * arch.WIDTH * sum(count**2 for count in frames)
    return Work(2.0 * sum(frames) * (layers + _CONVOLUTIONS - first) + attended, 2.0 * sum(frames) * first, 0.0)


def decoder_work(row_frames: int, row_steps: int, steps: int) -> Work:
    """`row_frames` is the sum, over all rows and steps, of the frames that are attended to; `steps` counts batches."""
    weights = arch.LAYERS * (6 * arch.WIDTH**2 + 3 * arch.WIDTH * _INNER) + arch.WIDTH * arch.VOCABULARY
    crossed = 2 * arch.LAYERS * arch.WIDTH
    read = arch.LAYERS * arch.HEADS * (arch.HEAD_SIZE + arch.VALUE_SIZE + _OFFSET_BYTES)
    return Work(2.0 * (row_steps * weights + row_frames * crossed), 0.0, float(row_frames * read + steps * weights))


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of one core of this machine: operations a second in matrix products at the model's shapes, and bytes a second
    read by products of one row with keys, those of a batch that fit no cache.
    """

    encoder_8bit: float
    encoder_float: float
    decoder_8bit: float
    attention_bytes: float

    def least_encoder_s(self, work: Work) -> float:
        return work.products_8bit / self.encoder_8bit + work.products_float / self.encoder_float

    def least_decoder_s(self, work: Work) -> float:
        return max(work.products_8bit / self.decoder_8bit, 0.0) + work.bytes_read / self.attention_bytes


def measured_peaks(rows: int, frames: int) -> Peaks:
    """`rows` of a batch in decoding, `frames` of a window. The best of many tries: neighbours only slow it down."""
    wide, vocabulary = (arch.WIDTH, _INNER), (arch.WIDTH, arch.VOCABULARY)
    return Peaks(
        encoder_8bit=_speed_8bit(frames, *wide),
        encoder_float=_speed_float(frames, *wide),
        decoder_8bit=_speed_8bit(rows, *vocabulary),
        attention_bytes=_speed_attention(rows, frames),
    )


def _speed_8bit(rows: int, inner: int, columns: int) -> float:
    random = np.random.default_rng(0)
    given = random.integers(0, 255, (rows, inner), np.uint8)
    matrix = random.integers(-127, 127, (inner, columns), np.int8)
    node = helper.make_node("MatMulInteger", ["given", "matrix", "zero"], ["product"])
    constants = {"matrix": matrix, "zero": np.array(128, np.uint8)}
    return 2 * rows * inner * columns / _least_s(node, {"given": given}, constants, TensorProto.INT32)


def _speed_float(rows: int, inner: int, columns: int) -> float:
    random = np.random.default_rng(0)
    given, matrix = (random.standard_normal(shape, np.float32) for shape in ((rows, inner), (inner, columns)))
    node = helper.make_node("MatMul", ["given", "matrix"], ["product"])
    return 2 * rows * inner * columns / _least_s(node, {"given": given}, {"matrix": matrix}, TensorProto.FLOAT)


def _speed_attention(rows: int, frames: int) -> float:
    random = np.random.default_rng(0)
    leading = (arch.LAYERS * rows, arch.HEADS)  # of all layers: a step reads them all
    keys = random.integers(-127, 127, (*leading, arch.HEAD_SIZE, frames), np.int8)
    query = random.integers(0, 255, (*leading, 1, arch.HEAD_SIZE), np.uint8)
    node = helper.make_node("MatMulInteger", ["query", "keys"], ["product"])
    return keys.nbytes / _least_s(node, {"query": query, "keys": keys}, {}, TensorProto.INT32)


def _least_s(node: Any, given: dict[str, Any], constants: dict[str, Any], kind: int) -> float:
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    held = [
        helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.tobytes(), raw=True)
        for name, array in constants.items()
    ]
    output = helper.make_tensor_value_info(node.output[0], kind, None)
    graph = helper.make_graph([node], "product", inputs, [output], held)
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    session = open_session(helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString(), 1)
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in given.items()}
    least = float("inf")
    for _ in range(_REPEATS):
        begun = time.process_time()
        session.run_with_ort_values(None, values)
        least = min(least, time.process_time() - begun)
    return least
