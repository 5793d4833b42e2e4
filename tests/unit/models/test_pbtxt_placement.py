"""Where Triton is told to run a model: of each committed config.pbtxt, as Triton would read it."""

from pathlib import Path

import pytest

from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import Placement, profile_of, set_instances, set_placement
from tests.unit.models.test_model_config import RECOGNISERS, as_triton_shows

BY_NAME = pytest.mark.parametrize("committed", RECOGNISERS, ids=lambda path: path.parent.name)


def copied(committed: Path, folder: Path) -> Path:
    path = folder / "config.pbtxt"
    path.write_text(committed.read_text())
    return path


@BY_NAME
def test_a_model_is_placed_on_the_gpus_that_are_named(committed: Path, tmp_path: Path) -> None:
    config = copied(committed, tmp_path)
    set_placement(config, Placement("cuda", instances=2, gpus=(0, 3)))
    assert as_triton_shows(config)["instance_group"] == [{"kind": "KIND_GPU", "count": 2, "gpus": [0, 3]}]
    assert profile_of(config).instances == 4


@BY_NAME
def test_a_model_is_placed_on_every_gpu_where_none_is_named(committed: Path, tmp_path: Path) -> None:
    config = copied(committed, tmp_path)
    set_placement(config, Placement("cuda"))
    assert as_triton_shows(config)["instance_group"] == [{"kind": "KIND_GPU", "count": 1}]


@BY_NAME
def test_a_model_can_be_placed_anew(committed: Path, tmp_path: Path) -> None:
    config = copied(committed, tmp_path)
    set_placement(config, Placement("cuda", instances=2, gpus=(1,)))
    set_instances(config, instances=3, threads=1)
    assert as_triton_shows(config)["instance_group"] == [{"kind": "KIND_CPU", "count": 3}]
    assert profile_of(config).instances == 3


def test_a_config_that_places_nothing_is_refused(tmp_path: Path) -> None:
    config = copied(RECOGNISERS[0], tmp_path)
    config.write_text(config.read_text().replace("instance_group", "# instance_group"))
    with pytest.raises(ModelBuildError, match="no instance_group"):
        set_placement(config, Placement("cuda"))
