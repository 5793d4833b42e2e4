"""Reads the tensors of a PyTorch checkpoint (a zip of a pickle and its storages) with numpy alone, and runs nothing.

A pickle names what it is made of, and whoever unpickles it calls that. Here four names are known: ordered
dictionaries, and tensors over storages of three element types. Whatever else a checkpoint carries (versions, settings
of its training) becomes an empty object that ignores how it was made.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stenod_models.export.errors import ModelBuildError

Array = npt.NDArray[Any]

_STORAGES: Final[Mapping[str, npt.DTypeLike]] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
}
_PICKLE: Final = "/data.pkl"


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors by name: of the checkpoint's `state_dict` where it has one, else of the checkpoint itself.

    Raises ModelBuildError for what is not such a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(_PICKLE)]
            if len(names) != 1:
                raise ModelBuildError(f"{path.name} holds {len(names)} files called data.pkl, not one")
            with archive.open(names[0]) as pickled:
                root = _Tensors(pickled, archive, names[0].removesuffix(_PICKLE)).load()
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ModelBuildError(f"{path.name} is not a checkpoint that can be read: {error}") from error
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError) as error:
        raise ModelBuildError(f"{path.name} is not a PyTorch checkpoint: {error}") from error
    states = root.get("state_dict", root) if isinstance(root, dict) else {}
    tensors = {name: value for name, value in states.items() if isinstance(value, np.ndarray)}
    if not tensors:
        raise ModelBuildError(f"{path.name} holds no tensors")
    return tensors


@dataclass(frozen=True, slots=True)
class _ElementType:
    dtype: npt.DTypeLike


class _Opaque:
    """Stands for anything that is no tensor. Takes whatever it is made of, and keeps none of it."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing."""

    def __setstate__(self, _state: Any) -> None:
        """Keep nothing."""

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Keep nothing."""


def _tensor(storage: Array, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_grad: Any) -> Array:
    """A copy of what the tensor shows of its storage; `stride` counts elements."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if (
        offset < 0
        or min(stride, default=0) < 0
        or min(size, default=0) < 0
        or (min(size, default=1) and last >= len(storage))
    ):
        raise ValueError("a tensor reaches outside its storage")
    strides = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy()


_KNOWN: Final[Mapping[tuple[str, str], Callable[..., Any]]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}


class _Tensors(pickle.Unpickler):
    def __init__(self, pickled: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(pickled)
        self._archive = archive
        self._folder = folder

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == "torch" and global_name in _STORAGES:
            return _ElementType(_STORAGES[global_name])
        return _KNOWN.get((module_name, global_name), _Opaque)

    def persistent_load(self, pid: Any) -> Array:
        """A storage: ("storage", element type, name in the archive, device, count of elements)."""
        _kind, element, name, _device, count = pid
        if not isinstance(element, _ElementType) or not isinstance(name, str):
            raise pickle.UnpicklingError("a storage is of an element type that is not read")
        storage = np.frombuffer(self._archive.read(f"{self._folder}/data/{name}"), element.dtype)
        if len(storage) != count:
            raise pickle.UnpicklingError(f"storage {name} holds {len(storage)} elements, not {count}")
        return storage
