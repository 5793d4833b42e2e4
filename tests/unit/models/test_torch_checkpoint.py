"""A checkpoint gives its tensors, and whatever else is in it runs nothing."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stenod_models.export.errors import ModelBuildError
from stenod_models.export.torch_checkpoint import read_tensors


class Hostile:
    """Makes a directory where it is unpickled as pickle would."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self._path,)


def test_tensors_are_read_as_torch_wrote_them(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    given = {"whole": base, "turned": base.T, "part": base[1:, 2:4], "half": base.half(), "count": torch.tensor(7)}
    torch.save(OrderedDict(given), tmp_path / "weights.pt")
    found = read_tensors(tmp_path / "weights.pt")
    assert list(found) == list(given)
    for name, tensor in given.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].dtype == tensor.numpy().dtype


def test_the_state_of_a_training_is_left_out_and_nothing_of_it_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    checkpoint = {
        "state_dict": OrderedDict(weight=torch.ones(3)),
        "version": torch.__version__,
        "hostile": Hostile(made),
        "settings": {"seed": [Hostile(tmp_path / "another")]},
    }
    torch.save(checkpoint, tmp_path / "weights.pt")
    found = read_tensors(tmp_path / "weights.pt")
    assert {name: value.tolist() for name, value in found.items()} == {"weight": [1.0, 1.0, 1.0]}
    assert not made.exists()
    torch.load(tmp_path / "weights.pt", weights_only=False)  # whereas this runs it
    assert made.is_dir()


def _archive(path: Path, pickled: bytes, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in storages.items():
            archive.writestr(f"archive/data/{name.removeprefix('s')}", content)
    return path


def _changed(**changes: Any) -> bytes:
    """The pickle of a checkpoint of one tensor of 4, with some of what rebuilds it changed."""

    class Storage:
        pass

    class Tensor:
        def __reduce__(self) -> Any:
            given = {"offset": 0, "size": (2, 2), "stride": (2, 1)} | changes
            arguments: Any = (Storage(), given["offset"], given["size"], given["stride"], False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Pickler(pickle.Pickler):
        def persistent_id(self, given: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(given, Storage) else None

    written = io.BytesIO()
    Pickler(written, 2).dump({"weight": Tensor()})
    return written.getvalue()


@pytest.mark.parametrize(
    "changes", [{"offset": 1}, {"stride": (3, 1)}, {"offset": -1}, {"stride": (2, -1)}, {"size": (2, 2, 2)}]
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    storage = np.arange(4, dtype="<f4").tobytes()
    good = _archive(tmp_path / "good.pt", _changed(), s0=storage)
    assert read_tensors(good)["weight"].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    bad = _archive(tmp_path / "bad.pt", _changed(**changes), s0=storage)
    with pytest.raises(ModelBuildError, match=r"bad\.pt"):
        read_tensors(bad)


@pytest.mark.parametrize(
    ("pickled", "storage"),
    [
        (b"not a pickle", bytes(16)),
        (pickle.dumps({"weight": 1}), bytes(16)),
        (pickle.dumps([1, 2]), bytes(16)),
        (_changed(), bytes(12)),
        (_changed()[:-20], bytes(16)),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, pickled: bytes, storage: bytes) -> None:
    with pytest.raises(ModelBuildError, match=r"bad\.pt"):
        read_tensors(_archive(tmp_path / "bad.pt", pickled, s0=storage))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelBuildError, match=r"bad\.pt is not a PyTorch checkpoint"):
        read_tensors(tmp_path / "bad.pt")
    with pytest.raises(ModelBuildError, match=r"none\.pt"):
        read_tensors(tmp_path / "none.pt")
