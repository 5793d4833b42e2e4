"""Reads what a recogniser needs from Triton's model configuration, and refuses one that breaks the contract. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stenod_models.contract import AUDIO, INPUTS, OUTPUTS, PROFILE_PARAMETER, Profile
from stenod_models.device import Device

THREADS_PARAMETER: Final = "threads"
MEMORY_PARAMETER: Final = "gpu_memory_limit_bytes"
TENSORRT_PARAMETER: Final = "tensorrt"

_TRITON_TYPES: Final = {"INT16": "TYPE_INT16", "INT32": "TYPE_INT32", "FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
_VARIABLE: Final = frozenset({"AUDIO", "WORDS", "START_SAMPLES", "END_SAMPLES", "CONFIDENCE"})


class BrokenConfigError(ValueError):
    """config.pbtxt does not say what contract.py says."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    profile: Profile
    threads: int  # of ONNX Runtime; 0 lets it choose
    device: Device


def read_model_config(config: Mapping[str, Any], *, kind: str = "CPU", device_id: str = "0") -> ServedModel:
    """`config` is Triton's model configuration as JSON; `kind` and `device_id` are of this instance. Raises
    BrokenConfigError.
    """
    _check_tensors(config["input"], INPUTS, "input")
    _check_tensors(config["output"], OUTPUTS, "output")
    audio = next(tensor for tensor in config["input"] if tensor["name"] == AUDIO)
    if not audio.get("allow_ragged_batch"):
        raise BrokenConfigError(f"input {AUDIO} must allow ragged batches")
    profile = _profile(config)
    if profile.max_batch_size != config["max_batch_size"]:
        raise BrokenConfigError(
            f"max_batch_size is {config['max_batch_size']}, the profile says {profile.max_batch_size}"
        )
    return ServedModel(profile, _number(config, THREADS_PARAMETER), _device(config, kind, device_id))


def _device(config: Mapping[str, Any], kind: str, device_id: str) -> Device:
    """Triton says CPU or GPU of an instance; one of KIND_MODEL would choose for itself, which nobody here does."""
    if kind.removeprefix("KIND_") == "CPU":
        return Device()
    if kind.removeprefix("KIND_") != "GPU":
        raise BrokenConfigError(f"an instance_group is {kind}; there is KIND_CPU and KIND_GPU")
    uses_tensorrt = _parameter(config, TENSORRT_PARAMETER, "false")
    if uses_tensorrt not in {"true", "false"}:
        raise BrokenConfigError(f"parameter {TENSORRT_PARAMETER} is {uses_tensorrt!r}, not true or false")
    return Device("cuda", int(device_id), _number(config, MEMORY_PARAMETER), uses_tensorrt == "true")


def _check_tensors(tensors: Any, expected: Mapping[str, str], role: str) -> None:
    found = {tensor["name"]: (tensor["data_type"], [int(dim) for dim in tensor["dims"]]) for tensor in tensors}
    wanted = {name: (_TRITON_TYPES[kind], [-1 if name in _VARIABLE else 1]) for name, kind in expected.items()}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise BrokenConfigError(f"{role} tensors {', '.join(wrong)} differ from the contract")


def _profile(config: Mapping[str, Any]) -> Profile:
    try:
        return Profile.from_json(_parameter(config, PROFILE_PARAMETER, ""))
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenConfigError(f"parameter {PROFILE_PARAMETER}: {error}") from error


def _number(config: Mapping[str, Any], key: str) -> int:
    text = _parameter(config, key, "0")
    if not text.isdecimal():
        raise BrokenConfigError(f"parameter {key} is {text!r}, not a whole number")
    return int(text)


def _parameter(config: Mapping[str, Any], key: str, default: str) -> str:
    value: str = config.get("parameters", {}).get(key, {}).get("string_value", default)
    return value
