"""Two recognisers in one Triton of the server's own, each with its canary."""

import json
import re
import shutil
from pathlib import Path

import pytest

import stenod
from stenod_models.export.pbtxt import set_identity
from tests.support.models import DEFAULT_MODEL
from tests.support.server import serving

pytestmark = pytest.mark.triton


async def test_all_models_that_are_named_are_loaded_and_take_jobs(built_models_dir: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(built_models_dir, models)
    shutil.copytree(models / DEFAULT_MODEL, models / "second")
    set_identity(models / "second" / "config.pbtxt", name="second", licence="")
    async with (
        serving(tmp_path, f"--model={DEFAULT_MODEL}", "--routes=en/enhanced=second", models_dir=models) as server,
        stenod.Client(server.address) as client,
    ):
        loaded = await client.models()
        transcript = await client.transcribe(models / DEFAULT_MODEL / "canary.wav", model="second")
        assert [(model.name, model.is_default) for model in loaded] == [(DEFAULT_MODEL, True), ("second", False)]
        assert transcript.text.startswith("It was the best of times")
        with pytest.raises(stenod.StenodError, match=f"there are models: {re.escape(DEFAULT_MODEL)}, second"):
            await client.transcribe(models / DEFAULT_MODEL / "canary.wav", model="third")


async def test_a_model_that_does_not_hear_its_canary_keeps_the_server_from_starting(
    built_models_dir: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(built_models_dir, models)
    shutil.copytree(models / DEFAULT_MODEL, models / "second")
    set_identity(models / "second" / "config.pbtxt", name="second", licence="")
    (models / "second" / "canary.json").write_text(json.dumps({"words": ["something", "else"]}))
    with pytest.raises(AssertionError, match="second fails its canary"):
        async with serving(tmp_path, f"--model={DEFAULT_MODEL}", "--model=second", models_dir=models):
            pytest.fail("it started")
