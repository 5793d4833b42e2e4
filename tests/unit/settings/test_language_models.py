"""A language model of the operator's own, by recogniser."""

from pathlib import Path

import pytest

from stenod_server.settings import load
from stenod_server.settings.language_models import LanguageModel

FILE = """
model = ["first", "second"]

[language_models."*"]
path = "law.arpa"

[language_models.second]
path = "medicine.arpa.gz"
weight = 0.8
word_bonus = -0.1
beam_size = 8
"""


def test_each_recogniser_has_its_own_and_the_default_one_the_star(tmp_path: Path) -> None:
    file = tmp_path / "stenod.toml"
    file.write_text(FILE)
    medicine = LanguageModel(path=Path("medicine.arpa.gz"), weight=0.8, word_bonus=-0.1, beam_size=8)
    assert load(file).language_models_by_name == {"first": LanguageModel(path=Path("law.arpa")), "second": medicine}
    assert load(file, model="second").language_models_by_name == {"second": medicine}


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"path": "a.arpa", "beam_size": 1}, "greater than or equal to 2"),
        ({"path": "a.arpa", "beam_size": 17}, "less than or equal to 16"),
        ({"path": "a.arpa", "weight": -1}, "greater than or equal to 0"),
        ({"weight": 1}, "path"),
        ({"path": "a.arpa", "heaviness": 1}, "heaviness"),
    ],
)
def test_what_makes_no_sense_is_refused(chosen: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)language_models.*{problem}"):
        load(language_models={"*": chosen})


def test_where_triton_is_elsewhere_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENOD_LANGUAGE_MODELS", '{"*": {"path": "a.arpa"}}')
    with pytest.raises(ValueError, match="stenod models set-language-model"):
        load(triton_url=["triton:8001"])
