"""The one place where ONNX Runtime's sessions are opened, for every family and device."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import onnxruntime

from stenod_models.cpu_features import saturates_8bit_products
from stenod_models.device import CPU, Device, UnavailableDeviceError

_ERRORS_ONLY: Final = 3
_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_TENSORRT: Final = "TensorrtExecutionProvider"

_Provider = tuple[str, dict[str, str]]


def open_session(graph: Path | bytes, threads: int, device: Device = CPU) -> onnxruntime.InferenceSession:
    """`threads` are of the CPU; 0 lets ONNX Runtime choose. Raises UnavailableDeviceError: a graph that is meant for a
    GPU never runs on a CPU in silence.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    # Spinning threads would burn the cores that decode, segment and serve.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if saturates_8bit_products():  # the exact kernels cost a quarter of the encoder's speed: only where needed
        options.add_session_config_entry("session.x64quantprecision", "1")
    # Shapes vary from window to window: a memory plan would be kept for each.
    options.enable_mem_pattern = False
    # Which node might write where another has read is looked up pair by pair: most of the time that a large graph takes
    # to open. On a CPU the arena gives the same memory anyway.
    options.enable_mem_reuse = device.kind != "cpu"
    wanted = providers(device, graph.parent if isinstance(graph, Path) else None)
    _check_installed({name for name, _options in wanted}, onnxruntime.get_available_providers())
    session = onnxruntime.InferenceSession(str(graph) if isinstance(graph, Path) else graph, options, providers=wanted)
    session.disable_fallback()
    _check_in_use({name for name, _options in wanted}, session.get_providers(), device)
    return session


def providers(device: Device, cache_dir: Path | None) -> list[_Provider]:
    """In the order in which they may take a graph's nodes. TensorRT keeps what it has built in `cache_dir`; what is in
    no directory is too small for it.
    """
    if device.kind == "cpu":
        return [(_CPU, {})]
    index = {"device_id": str(device.index)}
    cuda = {
        **index,
        # By what is asked for, not by powers of two: a GPU is shared with other instances.
        "arena_extend_strategy": "kSameAsRequested",
        # The exhaustive search would run for every new shape, and takes workspace to try what it does not keep.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Who asks for 32 bits gets them; the other precisions do not need this.
        "use_tf32": "0",
    }
    if device.memory_limit_bytes:
        cuda["gpu_mem_limit"] = str(device.memory_limit_bytes)
    if not device.uses_tensorrt or cache_dir is None:
        return [(_CUDA, cuda)]
    tensorrt = {**index, "trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache_dir)}
    return [(_TENSORRT, tensorrt), (_CUDA, cuda)]


def ort_value(array: npt.NDArray[Any]) -> onnxruntime.OrtValue:
    """A view for ONNX Runtime: both sides see the same memory, and the array must outlive it."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _check_installed(wanted: Collection[str], available: Collection[str]) -> None:
    missing = sorted(set(wanted) - set(available))
    if missing:
        raise UnavailableDeviceError(
            f"this model is placed on a GPU, but the onnxruntime that is installed has no {' and no '.join(missing)}: "
            "install onnxruntime-gpu in its place, or build the model with --device cpu"
        )


def _check_in_use(wanted: Collection[str], used: Collection[str], device: Device) -> None:
    """A provider whose libraries do not load is left out by ONNX Runtime with no more than a line in the log."""
    missing = sorted(set(wanted) - set(used))
    if missing:
        raise UnavailableDeviceError(
            f"ONNX Runtime could not start {' and '.join(missing)} on GPU {device.index}: it needs the driver, CUDA "
            "and cuDNN in the versions that onnxruntime-gpu was built for (see its log above)"
        )
