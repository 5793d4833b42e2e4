"""Reads what a recogniser, or a model of voices, needs from Triton's model configuration, and refuses one that breaks
the contract. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from stenod_models.contract import (
    AUDIO,
    INPUTS,
    LANGUAGE,
    LANGUAGE_CONFIDENCE,
    LANGUAGE_OUT,
    NO_SPEECH,
    OPTIONS,
    OUTPUTS,
    PROFILE_PARAMETER,
    VOICES_INPUTS,
    VOICES_OUTPUTS,
    VOICES_PROFILE_PARAMETER,
    Profile,
    VoicesProfile,
)
from stenod_models.device import Device

THREADS_PARAMETER: Final = "threads"
MEMORY_PARAMETER: Final = "gpu_memory_limit_bytes"
TENSORRT_PARAMETER: Final = "tensorrt"

_TRITON_TYPES: Final = {"INT16": "TYPE_INT16", "INT32": "TYPE_INT32", "FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
_SINGLE: Final = frozenset({LANGUAGE, OPTIONS, LANGUAGE_OUT, LANGUAGE_CONFIDENCE, NO_SPEECH})  # of one element


class BrokenConfigError(ValueError):
    """config.pbtxt does not say what contract.py says."""


_AnyProfile = TypeVar("_AnyProfile", Profile, VoicesProfile)


@dataclass(frozen=True, slots=True)
class Served(Generic[_AnyProfile]):
    profile: _AnyProfile
    threads: int  # of ONNX Runtime; 0 lets it choose
    device: Device


ServedModel: TypeAlias = Served[Profile]


def read_model_config(config: Mapping[str, Any], *, kind: str = "CPU", device_id: str = "0") -> ServedModel:
    """`config` is Triton's model configuration as JSON; `kind` and `device_id` are of this instance. Raises
    BrokenConfigError.
    """
    _check_tensors(config["input"], INPUTS, "input")
    _check_tensors(config["output"], OUTPUTS, "output")
    profile = _profile(config, PROFILE_PARAMETER, Profile.from_json)
    return _served(config, profile, _device(config, kind, device_id))


def read_voices_config(config: Mapping[str, Any], *, kind: str = "CPU", device_id: str = "0") -> Served[VoicesProfile]:
    """As `read_model_config`, of a model of voices."""
    _check_tensors(config["input"], VOICES_INPUTS, "input")
    _check_tensors(config["output"], VOICES_OUTPUTS, "output")
    profile = _profile(config, VOICES_PROFILE_PARAMETER, VoicesProfile.from_json)
    return _served(config, profile, _device(config, kind, device_id))


def _served(config: Mapping[str, Any], profile: _AnyProfile, device: Device) -> Served[_AnyProfile]:
    audio = next(tensor for tensor in config["input"] if tensor["name"] == AUDIO)
    if not audio.get("allow_ragged_batch"):
        raise BrokenConfigError(f"input {AUDIO} must allow ragged batches")
    if profile.max_batch_size != config["max_batch_size"]:
        raise BrokenConfigError(
            f"max_batch_size is {config['max_batch_size']}, the profile says {profile.max_batch_size}"
        )
    return Served(profile, _number(config, THREADS_PARAMETER), device)


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
    wanted = {name: (_TRITON_TYPES[kind], [1 if name in _SINGLE else -1]) for name, kind in expected.items()}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise BrokenConfigError(f"{role} tensors {', '.join(wrong)} differ from the contract")


def _profile(config: Mapping[str, Any], key: str, read: Callable[[str], _AnyProfile]) -> _AnyProfile:
    try:
        return read(_parameter(config, key, ""))
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenConfigError(f"parameter {key}: {error}") from error


def _number(config: Mapping[str, Any], key: str) -> int:
    text = _parameter(config, key, "0")
    if not text.isdecimal():
        raise BrokenConfigError(f"parameter {key} is {text!r}, not a whole number")
    return int(text)


def _parameter(config: Mapping[str, Any], key: str, default: str) -> str:
    value: str = config.get("parameters", {}).get(key, {}).get("string_value", default)
    return value
