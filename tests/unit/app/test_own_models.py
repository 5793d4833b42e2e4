"""What a Triton of our own loads: the recognisers, and the model of voices where it is."""

from pathlib import Path
from typing import Any

import pytest

from stenod_server.app.tritons import own_models
from stenod_server.cli.models import add_if_possible
from stenod_server.settings import load


def _add(models_dir: Path, *names: str) -> None:
    for name in names:
        (models_dir / name).mkdir(parents=True)
        (models_dir / name / "config.pbtxt").touch()


@pytest.mark.parametrize(
    ("there", "given", "loaded"),
    [
        (["voices"], {}, ("moonshine-tiny-en", "voices")),
        ([], {}, ("moonshine-tiny-en",)),
        (["voices"], {"voices_model": ""}, ("moonshine-tiny-en",)),
        (["voices", "other"], {"voices_model": "other"}, ("moonshine-tiny-en", "other")),
        (["voices"], {"model": ["a", "voices"]}, ("a", "voices")),
    ],
)
def test_voices_are_loaded_beside_the_recognisers_where_they_are_there(
    tmp_path: Path, there: list[str], given: dict[str, Any], loaded: tuple[str, ...]
) -> None:
    _add(tmp_path / "models", *there)
    assert own_models(load(data_dir=tmp_path, **given)) == loaded


def test_what_cannot_be_built_is_told_with_the_command_that_adds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_if_possible(tmp_path, "no-such-voices")
    assert "until `stenod models add no-such-voices` succeeds: no model is called" in capsys.readouterr().err


def test_what_is_there_is_not_built_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _add(tmp_path, "no-such-voices")
    add_if_possible(tmp_path, "no-such-voices")
    assert capsys.readouterr() == ("", "")
