"""config.pbtxt of every committed entry against the contract, as Triton will show it to the model."""

import copy
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from stenod_models.device import CPU, Device
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import (
    profile_of,
    published_revision,
    set_instances,
    set_revision,
    voices_profile_of,
)
from stenod_models.model_config import BrokenConfigError, read_model_config, read_voices_config
from tests.support.speech import PROJECT_ROOT

CONFIGS = sorted((PROJECT_ROOT / "model_repository").glob("*/config.pbtxt"))
VOICES = PROJECT_ROOT / "model_repository" / "voices" / "config.pbtxt"
RECOGNISERS = [path for path in CONFIGS if path != VOICES]


def as_triton_shows(path: Path) -> dict[str, Any]:
    message = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    shown: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return shown


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(as_triton_shows(CONFIGS[0]))


@pytest.mark.parametrize("path", RECOGNISERS, ids=lambda path: path.parent.name)
def test_every_config_keeps_the_contract(path: Path) -> None:
    served = read_model_config(as_triton_shows(path))
    profile = served.profile
    assert profile == profile_of(path)
    assert profile.model == path.parent.name
    assert list(profile.length_buckets_samples) == sorted(profile.length_buckets_samples)
    assert profile.window_target_samples <= profile.window_max_samples <= profile.length_buckets_samples[-1]


def test_the_config_of_the_voices_keeps_its_own_contract() -> None:
    served = read_voices_config(as_triton_shows(VOICES))
    assert served.profile == voices_profile_of(VOICES)
    assert (served.profile.model, served.profile.dimensions, served.profile.window_max_samples) == (
        "voices",
        192,
        480_000,
    )


def test_a_model_of_voices_is_never_taken_for_a_recogniser(config: dict[str, Any]) -> None:
    with pytest.raises(BrokenConfigError, match="tensors LANGUAGE, OPTIONS"):
        read_model_config(as_triton_shows(VOICES))
    with pytest.raises(ModelBuildError, match="no parameter profile"):
        profile_of(VOICES)
    with pytest.raises(BrokenConfigError, match="tensors LANGUAGE, OPTIONS"):
        read_voices_config(config)


def test_instances_and_revision_of_a_model_of_voices_are_published(tmp_path: Path) -> None:
    config = tmp_path / "config.pbtxt"
    config.write_text(VOICES.read_text())
    set_instances(config, instances=3, threads=1)
    set_revision(config, "abc")
    shown = as_triton_shows(config)
    assert shown["instance_group"][0]["count"] == 3
    assert (voices_profile_of(config).instances, published_revision(config)) == (3, "abc")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_every_config_puts_interactive_before_bulk(path: Path) -> None:
    batching = as_triton_shows(path)["dynamic_batching"]
    assert int(batching["priority_levels"]) == 2
    assert int(batching["default_priority_level"]) == 2
    assert batching["default_queue_policy"]["allow_timeout_override"]


def test_a_wrong_type_is_refused_by_name(config: dict[str, Any]) -> None:
    config["output"][3]["data_type"] = "TYPE_FP16"
    with pytest.raises(BrokenConfigError, match="output tensors CONFIDENCE"):
        read_model_config(config)


def test_a_missing_tensor_is_refused_by_name(config: dict[str, Any]) -> None:
    del config["input"][2]
    with pytest.raises(BrokenConfigError, match="input tensors OPTIONS"):
        read_model_config(config)


def test_audio_must_be_ragged(config: dict[str, Any]) -> None:
    config["input"][0]["allow_ragged_batch"] = False
    with pytest.raises(BrokenConfigError, match="ragged"):
        read_model_config(config)


def test_the_profile_must_agree_on_the_batch_size(config: dict[str, Any]) -> None:
    config["max_batch_size"] = 3
    with pytest.raises(BrokenConfigError, match="max_batch_size is 3"):
        read_model_config(config)


@pytest.mark.parametrize("profile", ["", "{}", '{"model": 1, "surprise": 2}'])
def test_a_broken_profile_is_refused(config: dict[str, Any], profile: str) -> None:
    config["parameters"]["profile"]["string_value"] = profile
    with pytest.raises(BrokenConfigError, match="profile"):
        read_model_config(config)


def test_instances_are_set_in_both_places(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text(CONFIGS[0].read_text())
    set_instances(path, instances=5, threads=2)
    shown = as_triton_shows(path)
    assert shown["instance_group"][0]["count"] == 5
    served = read_model_config(shown)
    assert served.profile.instances == 5
    assert served.threads == 2


def test_a_config_without_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text('name: "x"')
    with pytest.raises(ModelBuildError, match="no parameter profile"):
        profile_of(path)


def test_an_instance_computes_where_triton_has_put_it(config: dict[str, Any]) -> None:
    assert read_model_config(config, kind="CPU", device_id="0").device == CPU
    assert read_model_config(config, kind="GPU", device_id="3").device == Device("cuda", 3)
    config["parameters"] |= {
        "gpu_memory_limit_bytes": {"string_value": "1000"},
        "tensorrt": {"string_value": "true"},
    }
    placed = read_model_config(config, kind="GPU", device_id="1").device
    assert placed == Device("cuda", 1, memory_limit_bytes=1000, uses_tensorrt=True)


def test_an_instance_that_would_choose_for_itself_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BrokenConfigError, match="instance_group is KIND_MODEL"):
        read_model_config(config, kind="KIND_MODEL")


@pytest.mark.parametrize(("key", "value"), [("threads", "two"), ("gpu_memory_limit_bytes", "-1"), ("tensorrt", "yes")])
def test_a_parameter_that_is_none_is_refused_by_name(config: dict[str, Any], key: str, value: str) -> None:
    config["parameters"][key] = {"string_value": value}
    with pytest.raises(BrokenConfigError, match=f"parameter {key} is '{value}'"):
        read_model_config(config, kind="GPU")
