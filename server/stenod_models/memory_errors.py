"""Tells from an error that a batch did not fit the memory: then a smaller one may."""

from typing import Final

# ONNX Runtime has no error of its own for it: these are of its arena (bfc_arena.cc), of CUDA, and of cuBLAS.
_ONNX_RUNTIME: Final = (
    "Failed to allocate memory",
    "Available memory of ",
    "CUDA failure 2",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Of ONNX Runtime, torch or Python; neither need be installed."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return type(error).__module__.startswith("onnxruntime") and any(text in str(error) for text in _ONNX_RUNTIME)
