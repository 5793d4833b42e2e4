"""Where a recogniser computes: what Triton's instance and the parameters of config.pbtxt say. Pure."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Device:
    """`index` counts the GPUs that the process sees. `memory_limit_bytes` bounds what ONNX Runtime takes of a GPU for
    one graph, 0: nothing does. `uses_tensorrt` has TensorRT run what it can of a graph.
    """

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0
    memory_limit_bytes: int = 0
    uses_tensorrt: bool = False


CPU: Final = Device()


class UnavailableDeviceError(RuntimeError):
    """The device is not there, or what would run on it is not installed. Never answered by another device."""
