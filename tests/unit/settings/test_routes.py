"""Which models a node loads, and the table of who recognises what: the file, the environment, the command line."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stenod_server.scheduler.routing import RoutingRule
from stenod_server.settings import load

FILE = """
model = ["small", "large"]

[[routes]]
language = "de"
operating_point = "enhanced"
model = "large"

[[routes]]
language = "*"
model = "other"
"""
RULES = (RoutingRule("de", "large", "enhanced"), RoutingRule("*", "other"))


def test_a_table_of_the_file_is_one_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "stenod.toml"
    file.write_text(FILE)
    settings = load(file)
    assert settings.routing.rules == RULES
    assert (settings.default_model, settings.models) == ("small", ("small", "large", "other"))


def test_elsewhere_a_row_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["de/enhanced=large", "*=other"]
    assert load(routes=lines).routing.rules == RULES
    monkeypatch.setenv("STENOD_ROUTES", '["de/enhanced=large", "*=other"]')
    assert load().routing.rules == RULES


@pytest.mark.parametrize(
    ("written", "models"), [("small", ("small",)), ("small,large", ("small", "large")), (" a , b ", ("a", "b"))]
)
def test_a_model_is_written_as_ever_and_several_with_commas(
    monkeypatch: pytest.MonkeyPatch, written: str, models: tuple[str, ...]
) -> None:
    monkeypatch.setenv("STENOD_MODEL", written)
    assert load().models == load(model=list(models)).models == models


def test_without_a_word_there_is_the_default_model_alone() -> None:
    assert (load().models, load().routing.rules) == (("moonshine-tiny-en",), ())


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"routes": ["de"]}, "model is missing: a route is LANGUAGE"),
        ({"routes": ["=x"]}, "language '' is no BCP-47 code"),
        ({"routes": ["d e=x"]}, "language 'd e' is no BCP-47 code"),
        ({"routes": ["de/quick=x"]}, r"operating_point 'quick' is none of standard, enhanced or '\*'"),
        ({"routes": [{"language": "de", "modle": "x"}]}, "modle"),
        ({"model": ""}, "at least 1 character"),
        ({"model": ["a", ""]}, "at least 1 character"),
    ],
)
def test_what_is_written_wrongly_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        load(**given)
