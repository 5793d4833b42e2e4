"""Reading checkpoints: what transformers and CTranslate2 write comes back under the same names, whole or not at all."""

import copy
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.export.ctranslate2_files import read_variables, widened
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.safetensors_files import read_directory, read_file
from stenod_models.export.whisper import read_checkpoint
from tests.support.whisper_checkpoints import Shape, make_model, save_checkpoint, tokens


def write_model_bin(path: Path, *, version: int = 6, name: str = "WhisperSpec") -> bytes:
    """One float16 matrix, one bfloat16 vector, an alias."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    matrix = np.arange(6, dtype="<f2").reshape(2, 3)
    content = struct.pack("<I", version) + text(name) + struct.pack("<II", 3, 2)
    content += text("a/weight") + struct.pack("<BIIBI", 2, 2, 3, 4, 12) + matrix.tobytes()
    content += text("b") + struct.pack("<BIBI", 1, 2, 5, 4) + struct.pack("<HH", 0x3F80, 0xC000)
    content += struct.pack("<I", 1) + text("alias") + text("a/weight")
    path.write_bytes(content)
    return content


def test_variables_and_aliases_of_a_ctranslate2_model_are_read(tmp_path: Path) -> None:
    write_model_bin(tmp_path / "model.bin")
    variables = read_variables(tmp_path / "model.bin", "WhisperSpec")
    assert variables["a/weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert variables["alias"] is variables["a/weight"]
    assert variables["b"].tolist() == [1.0, -2.0]


def test_a_ctranslate2_model_that_is_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    content = write_model_bin(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelBuildError, match=r"model\.bin cannot be read"):
            read_variables(path, "WhisperSpec")


@pytest.mark.parametrize(
    ("change", "message"), [({"version": 7}, "version 7"), ({"name": "TransformerSpec"}, "not a WhisperSpec")]
)
def test_another_ctranslate2_model_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_model_bin(tmp_path / "model.bin", **change)
    with pytest.raises(ModelBuildError, match=message):
        read_variables(tmp_path / "model.bin", "WhisperSpec")


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    assert widened(np.array([0x4049], np.uint16)).tolist() == [3.140625]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("whisper")
    model = make_model(Shape(encoder_layers=11), 1)
    save_checkpoint(model, folder)
    return model, folder


def expected_tensors(model: Any) -> dict[str, npt.NDArray[np.float32]]:
    return {name: value.numpy() for name, value in model.model.state_dict().items()}


def test_a_hugging_face_directory_is_read(saved: tuple[Any, Path]) -> None:
    model, folder = saved
    checkpoint = read_checkpoint(folder)
    expected = expected_tensors(model)
    assert checkpoint.tensors.keys() == expected.keys()
    assert all(np.array_equal(checkpoint.tensors[name], value) for name, value in expected.items())
    arch = checkpoint.architecture
    assert (arch.mels, arch.width, arch.encoder_layers, arch.decoder_layers) == (80, 32, 11, 2)
    assert (arch.encoder_heads, arch.source_positions, arch.target_positions) == (2, 100, 64)
    assert (arch.suppressed, arch.alignment_heads) == ((3, 7), ((0, 1), (1, 0)))
    assert arch.multilingual
    assert list(checkpoint.tokens) == tokens()


def test_shards_are_read_as_one(saved: tuple[Any, Path], tmp_path: Path) -> None:
    model, folder = saved
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    found = read_checkpoint(tmp_path).tensors
    assert all(np.array_equal(found[name], value) for name, value in expected_tensors(model).items())


def test_every_element_type_of_safetensors_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int8, torch.bool)
    values = {str(kind): torch.tensor([[0, 1], [2, 3]]).to(kind) for kind in kinds}
    safetensors.save_file(values, tmp_path / "model.safetensors")
    found = read_directory(tmp_path)
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in values.items()
    }


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_safetensors_that_are_cut_short_are_refused(saved: tuple[Any, Path], tmp_path: Path, kept: int) -> None:
    content = (saved[1] / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:kept])
    with pytest.raises(ModelBuildError, match="cannot be read as safetensors"):
        read_file(tmp_path / "model.safetensors")


@pytest.mark.parametrize("quantisation", ["float32", "float16", "int8"])
def test_a_ctranslate2_directory_has_the_same_weights(
    saved: tuple[Any, Path], tmp_path: Path, quantisation: str
) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    model = copy.deepcopy(saved[0])  # the converter scales weights in place
    spec = ctranslate2.specs.WhisperSpec(11, 2, 2, 2)
    loader = ctranslate2.converters.transformers.WhisperLoader()
    loader.set_encoder(spec.encoder, model.model.encoder)
    loader.set_decoder(spec.decoder, model.model.decoder)
    loader.set_linear(spec.decoder.projection, model.proj_out)
    spec.register_vocabulary(tokens())
    spec.config.alignment_heads = [[0, 1]]
    spec.validate()
    spec.optimize(quantization=quantisation)
    spec.save(str(tmp_path))
    checkpoint = read_checkpoint(tmp_path)
    expected = expected_tensors(saved[0])
    assert expected.keys() - checkpoint.tensors.keys() == set()
    tolerance = {"float32": 0.0, "float16": 1e-3, "int8": 0.01}[quantisation]
    for name, value in expected.items():
        assert np.abs(checkpoint.float32(name) - value).max() <= tolerance * max(1.0, np.abs(value).max())
    assert checkpoint.architecture.encoder_layers == 11
    assert list(checkpoint.tokens) == tokens()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", {"model_type": "parakeet_tdt"}, "model_type"),
        ("config.json", {}, "model_type"),
        ("tokenizer.json", {"model": {}}, "vocab"),
        ("generation_config.json", {"alignment_heads": [[9, 0]]}, "alignment_heads"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(
    saved: tuple[Any, Path], tmp_path: Path, name: str, content: dict[str, Any], message: str
) -> None:
    for path in saved[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ModelBuildError, match=message):
        read_checkpoint(tmp_path)


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelBuildError, match=r"neither model\.safetensors"):
        read_checkpoint(tmp_path)
