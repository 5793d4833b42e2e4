from pathlib import Path

import numpy as np
import pytest

from stenod_models.language_model.beside import fusion_beside, write_use
from stenod_models.language_model.fusion import LanguageModelUse, WordPieces

PIECES = WordPieces(opens_word=np.array([True, False]), end_token=1, spell=lambda _tokens: "a")
ARPA = "\\data\\\nngram 1=2\n\n\\1-grams:\n-1 a\n-2 </s>\n\n\\end\\\n"


def end_amount(folder: Path) -> float:
    """What a text without a word is worth by its end: weight * log(1e-2)."""
    fusion = fusion_beside(folder, PIECES)
    assert fusion is not None
    return float(fusion.amounts(fusion.start(1), np.array([[1]]))[0, 0])


def test_without_a_file_there_is_no_language_model(tmp_path: Path) -> None:
    assert fusion_beside(tmp_path, PIECES) is None


def test_how_it_is_used_is_read_from_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "language_model.arpa").write_text(ARPA)
    assert end_amount(tmp_path) == pytest.approx(0.5 * np.log(1e-2))
    write_use(tmp_path, LanguageModelUse(weight=2, word_bonus=0.5, beam_size=8))
    assert end_amount(tmp_path) == pytest.approx(2 * np.log(1e-2))
    fusion = fusion_beside(tmp_path, PIECES)
    assert fusion
    assert fusion.use == LanguageModelUse(weight=2, word_bonus=0.5, beam_size=8)


@pytest.mark.parametrize(
    "text", ["[]", "nonsense", '{"heaviness": 1}', '{"weight": "much"}', '{"weight": null}', '{"beam_size": 1}']
)
def test_a_use_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "language_model.arpa").write_text(ARPA)
    (tmp_path / "language_model.json").write_text(text)
    with pytest.raises(ValueError, match=r"language_model\.json"):
        fusion_beside(tmp_path, PIECES)
