import json
import struct
from pathlib import Path

import pytest

from stenod_models.export.build_request import FAMILIES, BuildRequest, family_of, licence_of, needed_files
from stenod_models.export.errors import ModelBuildError


def checkpoint(folder: Path, *names: str, kind: str = "") -> Path:
    for name in names:
        (folder / name).write_bytes(b"\0")
    if kind:
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return folder


def ctranslate2(folder: Path, spec: str) -> Path:
    """As its writer begins: the version of the form, then the kind with its length."""
    name = spec.encode() + b"\0"
    (folder / "model.bin").write_bytes(struct.pack("<IH", 6, len(name)) + name)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("whisper", "whisper"),
        ("parakeet_tdt", "parakeet"),
        ("parakeet_ctc", "parakeet"),
        ("parakeet_rnnt", "parakeet"),
        ("nemo-conformer-tdt", "parakeet"),
    ],
)
def test_a_checkpoint_is_told_by_what_its_config_says(tmp_path: Path, kind: str, family: str) -> None:
    assert family_of(checkpoint(tmp_path, "model.safetensors", kind=kind)).name == family


def test_a_ctranslate2_directory_is_told_by_the_head_of_its_weights(tmp_path: Path) -> None:
    assert family_of(ctranslate2(tmp_path, "WhisperSpec")).name == "whisper"
    with pytest.raises(ModelBuildError, match="CTranslate2 model of kind TransformerSpec; what can be built: Whisper"):
        family_of(ctranslate2(tmp_path, "TransformerSpec"))


def test_a_nemo_export_without_a_config_is_told_by_its_files(tmp_path: Path) -> None:
    assert (
        family_of(checkpoint(tmp_path, "encoder-model.onnx", "decoder_joint-model.onnx", "vocab.txt")).name
        == "parakeet"
    )


@pytest.mark.parametrize(
    ("names", "kind", "problem"),
    [
        (["model.safetensors"], "wav2vec2", "family 'wav2vec2'; what can be built"),
        (["encoder-model.onnx", "vocab.txt"], "nemo-conformer-aed", "family 'nemo-conformer-aed'"),
        (["notes.txt"], "", "no config.json with a model_type"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_can(
    tmp_path: Path, names: list[str], kind: str, problem: str
) -> None:
    with pytest.raises(ModelBuildError, match=problem):
        family_of(checkpoint(tmp_path, *names, kind=kind))


def test_a_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelBuildError, match=r"config\.json cannot be read"):
        family_of(tmp_path)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (
            ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "flax_model.msgpack", "x/a.json"],
            {"config.json", "model.safetensors"},
        ),
        (
            [
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.fp32-00001-of-00002.safetensors",
            ],
            {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"},
        ),
        (["model.bin", "vocabulary.txt", "README.md"], {"model.bin", "vocabulary.txt", "README.md"}),
        (
            ["encoder-model.onnx", "encoder-model.onnx.data", "encoder-model.int8.onnx", "vocab.txt", "LICENSE"],
            {"encoder-model.onnx", "encoder-model.onnx.data", "vocab.txt", "LICENSE"},
        ),
    ],
)
def test_one_set_of_weights_is_taken_and_what_is_small(names: list[str], taken: set[str]) -> None:
    assert set(needed_files(names, "it")) == taken


def test_a_checkpoint_of_pickles_is_refused() -> None:
    with pytest.raises(ModelBuildError, match=r"it has no weights: .*; pickled ones are never read"):
        needed_files(["config.json", "pytorch_model.bin"], "it")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=str)
def test_a_precision_is_refused_with_those_there_are(family: object) -> None:
    assert isinstance(family, type(FAMILIES["whisper"]))
    assert family.precision(BuildRequest()) == family.precisions["cpu"][0]
    with pytest.raises(ModelBuildError, match=r"--precision fp4 for --device cpu: there is cpu in fp32"):
        family.precision(BuildRequest(precision="fp4"))
    with pytest.raises(ModelBuildError, match="--device tpu"):
        family.precision(BuildRequest(device="tpu"))


@pytest.mark.parametrize(
    ("readme", "licence"),
    [("---\nlicense: cc-by-4.0\n---\nText\n", "cc-by-4.0"), ("license: mit\n", ""), ("---\ntags: []\n---\n", "")],
)
def test_the_licence_is_that_of_the_front_matter(tmp_path: Path, readme: str, licence: str) -> None:
    (tmp_path / "README.md").write_text(readme)
    assert licence_of(tmp_path) == licence
