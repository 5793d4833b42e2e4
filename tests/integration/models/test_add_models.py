"""A checkpoint of somebody's, from a directory or a hub, to an entry that appears whole or not at all."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stenod_models.export import hub as hub_client
from stenod_models.export.build_request import BuildRequest
from stenod_models.export.catalogue import CATALOGUE, add, installed
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import profile_of
from stenod_models.export.templates import template_of
from tests.support.hub import REVISION, Hub, serving

pytest.importorskip("huggingface_hub")

WEIGHTS = bytes(range(256)) * 40_000  # 10 MB: more than one block of a download
CONFIG = json.dumps({"model_type": "whisper"}).encode()
Built = list[dict[str, Any]]


def quiet(_phase: str, _done: float) -> None:
    pass


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Built:
    """In place of the family's own: an entry of its weights, and a note of what it was told."""
    calls: Built = []

    def build(target: Path, *, source: Path, precision: str, device: str, report: Callable[[str, float], None]) -> None:
        files = sorted(path.name for path in source.iterdir())
        calls.append({"source": source, "precision": precision, "device": device, "files": files})
        shutil.copy(template_of("moonshine-tiny-en") / "config.pbtxt", target)
        (target / "1").mkdir()
        shutil.copy(source / "model.safetensors", target / "1")
        report("writing", 1.0)

    monkeypatch.setitem(sys.modules, "stenod_models.export.whisper", SimpleNamespace(build=build))
    return calls


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "tf_model.h5": b"not needed", "README.md": b"Hello"}
    with serving(Hub("someone/tiny", files)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    return folder


def record_of(entry: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((entry / "entry.json").read_text())
    return record


def entries(models_dir: Path) -> list[str]:
    return [path.name for path in models_dir.iterdir() if path.name != ".downloads"]


@pytest.mark.usefixtures("exporter")
def test_a_directory_becomes_a_model_of_the_name_that_was_given(tmp_path: Path, folder: Path) -> None:
    request = BuildRequest(source=str(folder), precision="int8")
    entry = add("my-model", tmp_path / "models", progress=quiet, request=request)
    record, profile = record_of(entry), profile_of(entry / "config.pbtxt")
    assert (record["family"], record["precision"], record["licence"]) == ("whisper", "int8", "cc-by-4.0")
    assert (record["source"], set(record["files"])) == (str(folder), {"config.json", "model.safetensors", "README.md"})
    assert record["files"]["config.json"] == hub_client.sha256_of(folder / "config.json")
    assert {"stenod", "onnx"} <= record["tools"].keys()
    assert (profile.model, profile.licence, len(profile.revision)) == ("my-model", "cc-by-4.0", 64)
    assert 'name: "my-model"' in (entry / "config.pbtxt").read_text()
    listed = installed(tmp_path / "models")[0]
    assert (listed.precision, listed.licence, listed.size_bytes > len(WEIGHTS)) == ("int8", "cc-by-4.0", True)


def test_a_model_with_a_source_of_its_own_is_built_anew(tmp_path: Path, folder: Path, exporter: Built) -> None:
    request = BuildRequest(source=str(folder))
    first = profile_of(add("mine", tmp_path, progress=quiet, request=request) / "config.pbtxt")
    (folder / "model.safetensors").write_bytes(b"trained on")
    second = profile_of(add("mine", tmp_path, progress=quiet, request=request) / "config.pbtxt")
    assert (len(exporter), first.revision == second.revision) == (2, False)
    assert sorted(entries(tmp_path)) == ["checkpoint", "mine"]


def test_on_a_gpu_it_is_placed_there_in_a_precision_that_suits_it(
    tmp_path: Path, folder: Path, exporter: Built
) -> None:
    request = BuildRequest(source=str(folder), device="cuda")
    entry = add("mine", tmp_path, progress=quiet, request=request)
    assert "kind: KIND_GPU" in (entry / "config.pbtxt").read_text()
    assert exporter[0]["precision"] == record_of(entry)["precision"] == "fp16"
    assert exporter[0]["device"] == "cuda"


def test_of_a_hub_the_needed_files_are_fetched_at_one_revision(tmp_path: Path, hub: Hub, exporter: Built) -> None:
    told: list[tuple[str, float]] = []
    request = BuildRequest(source="someone/tiny")
    entry = add("tiny", tmp_path, progress=lambda phase, done: told.append((phase, done)), request=request)
    record = record_of(entry)
    assert exporter[0]["files"] == ["README.md", "config.json", "model.safetensors"]
    assert (record["source"], record["source_revision"], record["licence"]) == ("someone/tiny", REVISION, "apache-2.0")
    assert record["files"]["model.safetensors"] == hub.about()["siblings"][1]["lfs"]["sha256"]  # type: ignore[index]
    done = [ratio for _, ratio in told]
    assert (done == sorted(done), done[-1]) == (True, 1.0)
    assert "tf_model.h5" not in hub.served


def test_a_download_that_broke_off_is_gone_on_with(
    tmp_path: Path, hub: Hub, exporter: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / ".downloads" / "someone--tiny" / REVISION / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:6_000_000])  # of a process that was killed
    hub.break_after_bytes = [1_000_000]
    monkeypatch.setattr("time.sleep", lambda _s: None)  # the pause of the hub's own library before it tries again
    add("tiny", tmp_path, progress=quiet, request=BuildRequest(source="someone/tiny"))
    assert (exporter[0]["source"] / "model.safetensors").read_bytes() == WEIGHTS
    # What had come of a block of 10 MB when the connection broke comes again.
    assert hub.served["model.safetensors"] == 1_000_000 + len(WEIGHTS) - 6_000_000


def test_what_is_downloaded_is_not_downloaded_again(tmp_path: Path, hub: Hub, exporter: Built) -> None:
    for name in ("one", "two"):
        add(name, tmp_path, progress=quiet, request=BuildRequest(source="someone/tiny"))
    assert (hub.served["model.safetensors"], len(exporter)) == (len(WEIGHTS), 2)


@pytest.mark.usefixtures("exporter")
@pytest.mark.parametrize(
    ("wrong", "source", "problem"),
    [
        ({"published_sha256": {"model.safetensors": "00" * 32}}, "someone/tiny", r"not the published file \(SHA-256"),
        ({"sizes_bytes": {"model.safetensors": 10**15}}, "someone/tiny", r"GB free; downloading 1000000\.0 GB"),
        ({"gated": True}, "someone/tiny", "is gated: accept its terms at .*someone/tiny, and set HF_TOKEN"),
        ({}, "someone/else", "there is no someone/else at http"),
        ({"files": {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"1"}}, "someone/tiny", "'bert'"),
        ({"files": {"config.json": CONFIG, "pytorch_model.bin": b"1"}}, "someone/tiny", "has no weights"),
        ({"endpoint": ""}, "./nowhere", r"--from \./nowhere is neither a directory nor"),
    ],
)
def test_each_thing_that_goes_wrong_is_said_and_leaves_no_entry(
    tmp_path: Path, hub: Hub, wrong: dict[str, Any], source: str, problem: str
) -> None:
    for name, value in wrong.items():
        setattr(hub, name, value)
    with pytest.raises(ModelBuildError, match=problem):
        add("tiny", tmp_path, progress=quiet, request=BuildRequest(source=source))
    assert entries(tmp_path) == []
    assert hub.served.get("model.safetensors", 0) in {0, len(WEIGHTS)}


def test_a_name_of_the_catalogue_is_built_once_for_each_thing_that_is_asked_of_it(
    tmp_path: Path, hub: Hub, exporter: Built
) -> None:
    listed = CATALOGUE["whisper-large-v3-turbo"]
    hub.repository = listed.hub
    for request in (BuildRequest(), BuildRequest(precision="fp32"), BuildRequest(precision="int8"), BuildRequest()):
        entry = add("whisper-large-v3-turbo", tmp_path, progress=quiet, request=request)
    assert [call["precision"] for call in exporter] == ["fp32", "int8"]
    record = record_of(entry)
    assert (record["revision"], record["source_revision"], record["licence"]) == (listed.revision, REVISION, "MIT")
    assert [model.is_current for model in installed(tmp_path)] == [True]


@pytest.mark.usefixtures("exporter")
def test_a_precision_that_cannot_be_is_refused_before_anything_is_downloaded(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(ModelBuildError, match="whisper cannot be built with --precision int8 for --device cuda"):
        add(
            "tiny",
            tmp_path,
            progress=quiet,
            request=BuildRequest(source="someone/tiny", precision="int8", device="cuda"),
        )
    assert "model.safetensors" not in hub.served


@pytest.mark.usefixtures("exporter")
def test_a_hub_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda _s: None)
    with pytest.raises(ModelBuildError, match=r"could not be fetched from http://127\.0\.0\.1:1"):
        add("tiny", tmp_path, progress=quiet, request=BuildRequest(source="someone/tiny"))


@pytest.mark.usefixtures("exporter")
def test_a_full_disk_is_called_so(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(sys.modules, "stenod_models.export.whisper", SimpleNamespace(build=full))
    with pytest.raises(ModelBuildError, match=r"mine could not be built in .*: the disk is full"):
        add("mine", tmp_path / "models", progress=quiet, request=BuildRequest(source=str(folder)))
    assert entries(tmp_path / "models") == []


def test_what_is_missing_to_build_it_is_said_with_what_to_install(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_arguments: object, **_named: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setitem(sys.modules, "stenod_models.export.whisper", SimpleNamespace(build=build))
    with pytest.raises(ModelBuildError, match=r"pip install 'stenod\[export\]' \(torch is missing\)"):
        add("mine", tmp_path, progress=quiet, request=BuildRequest(source=str(folder)))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelBuildError, match=r"pip install 'stenod\[export\]' \(huggingface_hub is missing\)"):
        add("tiny", tmp_path, progress=quiet, request=BuildRequest(source="someone/tiny"))
