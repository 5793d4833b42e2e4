"""Reads safetensors files: eight bytes of length, a JSON header with types, shapes and offsets, then raw bytes.

The format is specified in the README of huggingface/safetensors. A directory holds `model.safetensors`, or shards that
`model.safetensors.index.json` lists.
"""

import json
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.ctranslate2_files import widened
from stenod_models.export.errors import ModelBuildError

Array = npt.NDArray[Any]

_SINGLE: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_ELEMENT_TYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights. Raises ModelBuildError where there are none."""
    index = directory / _INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ModelBuildError(f"{index} cannot be read: {error!r}") from error
        return [directory / Path(name).name for name in names]
    if (directory / _SINGLE).is_file():
        return [directory / _SINGLE]
    raise ModelBuildError(f"{directory} has neither {_SINGLE} nor {_INDEX}; weights are read from safetensors only")


def read_directory(directory: Path) -> dict[str, Array]:
    """All tensors of a directory; views of the files, bfloat16 widened to float32. Raises ModelBuildError."""
    return {name: value for path in weight_files(directory) for name, value in read_file(path).items()}


def read_file(path: Path) -> dict[str, Array]:
    try:
        data = np.memmap(path, np.uint8, "r")
        (length,) = struct.unpack("<Q", bytes(data[:8]))
        header = json.loads(bytes(data[8 : 8 + length]))
        return {name: _tensor(data[8 + length :], entry) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelBuildError(f"{path} cannot be read as safetensors: {error!r}") from error


def _tensor(data: npt.NDArray[np.uint8], entry: dict[str, Any]) -> Array:
    start, end = entry["data_offsets"]
    value: Array = data[start:end].view(_ELEMENT_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return widened(value) if entry["dtype"] == "BF16" else value
