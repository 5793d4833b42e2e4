"""What a model gives back to Triton. Imported only inside Triton, where `triton_python_backend_utils` exists."""

from collections.abc import Mapping
from typing import Any

import triton_python_backend_utils as pb_utils


def answer(columns: Mapping[str, Any]) -> Any:
    """Arrays by the names of the outputs; each goes with a leading batch axis of 1."""
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, value.reshape(1, -1)) for name, value in columns.items()])


def failed(_window: object, error: Exception) -> Any:
    return failure(pb_utils.TritonError.INTERNAL, f"{type(error).__name__}: {error}")


def cancelled() -> Any:
    return failure(pb_utils.TritonError.CANCELLED, "the request was cancelled")


def failure(code: int, message: str) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
