"""Reads `model.bin` of CTranslate2: version 6 of the layout that `ctranslate2/specs/model_spec.py` writes.

A header (version, name of the specification, its revision), then each variable with its name, shape, element type and
bytes, then aliases. All numbers are little-endian; a string has its length and a closing zero.
"""

import mmap
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.export.errors import ModelBuildError

Array = npt.NDArray[Any]

_VERSION: Final = 6
_BFLOAT16: Final = 5
_ELEMENT_TYPES: Final = ("<f4", "<i1", "<i2", "<i4", "<f2", "<u2")  # bfloat16 is widened


def read_variables(path: Path, specification: str) -> dict[str, Array]:
    """The variables by name; large ones are views of the file.

    Raises ModelBuildError where the file is cut short, of another version, or not a model of `specification`.
    """
    with path.open("rb") as opened:
        data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
    try:
        return _Cursor(data).variables(specification)
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise ModelBuildError(f"{path} cannot be read as a CTranslate2 model: {error}") from error


def dequantised(variables: dict[str, Array], name: str) -> Array:
    """A weight as floating point; an 8-bit one has a scale per row (or one in all) to be divided by."""
    value = variables[name]
    scale = variables.get(f"{name}_scale")
    if scale is None:
        return value
    rows = scale.astype(np.float32).reshape(-1, *[1] * (value.ndim - 1))
    floats: Array = value.astype(np.float32) / rows
    return floats


class _Cursor:
    def __init__(self, data: "mmap.mmap | bytes") -> None:
        self._data = data
        self._place = 0

    def variables(self, specification: str) -> dict[str, Array]:
        version = self._number("<I")
        if version != _VERSION:
            raise ValueError(f"version {version} of the layout is not known, only {_VERSION}")
        name = self._string()
        if name != specification:
            raise ValueError(f"it is a {name}, not a {specification}")
        self._number("<I")  # the specification's revision
        found = dict(self._variable() for _ in range(self._number("<I")))
        for _ in range(self._number("<I")):
            alias = self._string()
            found[alias] = found[self._string()]
        return found

    def _variable(self) -> tuple[str, Array]:
        name = self._string()
        shape = [self._number("<I") for _ in range(self._number("<B"))]
        kind = self._number("<B")
        size_bytes = self._number("<I")
        dtype = np.dtype(_ELEMENT_TYPES[kind])
        if self._place + size_bytes > len(self._data) or size_bytes != dtype.itemsize * int(np.prod(shape)):
            raise ValueError(f"{name} is cut short")
        value = np.frombuffer(self._data, dtype, size_bytes // dtype.itemsize, self._place).reshape(shape)
        self._place += size_bytes
        return name, widened(value) if kind == _BFLOAT16 else value

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._place)
        self._place += struct.calcsize(form)
        return int(value)

    def _string(self) -> str:
        length = self._number("<H")
        raw = bytes(self._data[self._place : self._place + length])
        if len(raw) != length:
            raise ValueError("a name is cut short")
        self._place += length
        return raw[:-1].decode()


def widened(bfloat16: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """The upper half of a float32 is a bfloat16."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)
