"""What is said of models on this machine, of those that a server has loaded, and of those that cannot be added."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ended, Stenod, run_stenod
from tests.unit.client.scripted import Script

HAND_MADE = 'name: "mine"'


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    entry = tmp_path / "models" / "mine"
    entry.mkdir(parents=True)
    (entry / "config.pbtxt").write_text(HAND_MADE)
    return tmp_path / "models"


def rows(listed: Ended) -> dict[str, Any]:
    assert listed.status == 0, listed.err
    return {row["name"]: row for row in json.loads(listed.out)}


async def test_each_model_is_listed_with_what_is_known_of_it(stenod: Stenod, models_dir: Path) -> None:
    table = await stenod("models", "list", "--models-dir", str(models_dir))
    listed = rows(await stenod("models", "list", "--models-dir", str(models_dir), "--format", "json"))

    heading = ["NAME", "STATUS", "SIZE", "LANGUAGES", "PRECISION", "LICENCE", "LOADED", "DESCRIPTION"]
    assert table.out.splitlines()[0].split() == heading
    assert "25 languages" in table.out
    parakeet = listed["parakeet-tdt-0.6b-v3"]
    assert (parakeet["status"], parakeet["licence"], len(parakeet["languages"])) == ("available", "CC-BY-4.0", 25)
    assert (listed["mine"]["status"], listed["mine"]["size_bytes"]) == ("installed", len(HAND_MADE))


async def test_it_is_told_which_the_server_has_loaded(stenod: Stenod, script: Script, models_dir: Path) -> None:
    arguments = ("models", "list", "--models-dir", str(models_dir), "--format", "json")
    asked = rows(await stenod(*arguments))
    nobody = await run_stenod(*arguments, "--server", "127.0.0.1:1")

    assert {name for name, row in asked.items() if row["loaded"]} == {"moonshine-tiny-en"}
    assert "ListModels" in [rpc for rpc, _ in script.calls]
    assert (nobody.status, "no stenod server answers at 127.0.0.1:1" in nobody.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["new"], "no model is called 'new'; there are moonshine-tiny-en, .*whisper-large-v3-turbo.* --from"),
        (["new", "--from", "./nowhere"], "--from ./nowhere is neither a directory nor"),
        (["new", "--from", "EMPTY"], "has no config.json|no checkpoint"),
        (["New", "--from", "EMPTY"], "'New' cannot be a model's name"),
        (["moonshine-tiny-en", "--from", "EMPTY"], "is built from moonshine-voice==0.1.0 alone"),
        (["moonshine-tiny-en", "--precision", "fp32"], "for --device cpu with --precision int8 alone"),
        (["silero-vad", "--device", "cuda"], "for --device cpu with --precision fp32 alone"),
        (["moonshine-tiny-en", "--instances", "2"], "alone, with one instance per core"),
        (["new", "--from", "EMPTY", "--gpus", "0"], "--gpus are of --device cuda"),
        (["new", "--from", "EMPTY", "--gpus", "0,x", "--device", "cuda"], "--gpus 0,x is no list of numbers"),
        (["new", "--from", "EMPTY", "--gpus", "1,1", "--device", "cuda"], "--instances 0 and --gpus"),
    ],
)
async def test_what_cannot_be_added_is_said_in_one_line(tmp_path: Path, arguments: list[str], problem: str) -> None:
    (tmp_path / "empty").mkdir()
    given = [str(tmp_path / "empty") if argument == "EMPTY" else argument for argument in arguments]
    added = await run_stenod("models", "add", *given, "--models-dir", str(tmp_path / "models"))

    assert (added.status, added.out) == (1, "")
    told = [line for line in added.err.splitlines() if line.startswith("stenod: ")]
    assert len(told) == 1
    assert re.search(problem, told[0])
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["set-language-model", "nobody", "FILE"], "there is no model nobody in .*: add it first"),
        (["set-language-model", "mine", "FILE"], "has no parameter profile"),
        (["unset-language-model", "nobody"], "there is no model nobody in"),
        (["unset-language-model", "mine"], "mine has no language model"),
    ],
)
async def test_what_has_no_language_model_or_takes_none_is_said(
    models_dir: Path, arguments: list[str], problem: str
) -> None:
    (models_dir / "mine" / "1").mkdir()
    file = models_dir.parent / "law.arpa"
    given = [str(file) if argument == "FILE" else argument for argument in arguments]
    ended = await run_stenod("models", *given, "--models-dir", str(models_dir))
    assert (ended.status, ended.out) == (1, "")
    assert re.search(problem, ended.err)
