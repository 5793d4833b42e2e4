from pathlib import Path

import numpy as np
import pytest

from stenod_models.language_model.beside import fusion_beside
from stenod_models.language_model.fusion import WordPieces

PIECES = WordPieces(opens_word=np.array([True, False]), end_token=1, spell=lambda _tokens: "a")
ARPA = "\\data\\\nngram 1=2\n\n\\1-grams:\n-1 a\n-2 </s>\n\n\\end\\\n"


def end_amount(folder: Path) -> float:
    """What a text without a word is worth by its end: weight * log(1e-2)."""
    fusion = fusion_beside(folder, PIECES)
    assert fusion is not None
    return float(fusion.amounts(fusion.start(1), np.array([[1]]))[0, 0])


def test_without_a_file_there_is_no_language_model(tmp_path: Path) -> None:
    assert fusion_beside(tmp_path, PIECES) is None


def test_the_weights_are_read_from_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "language_model.arpa").write_text(ARPA)
    assert end_amount(tmp_path) == pytest.approx(0.5 * np.log(1e-2))
    (tmp_path / "language_model.json").write_text('{"weight": 2, "word_bonus": 0.5}')
    assert end_amount(tmp_path) == pytest.approx(2 * np.log(1e-2))


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"heaviness": 1}', '{"weight": "much"}', '{"weight": null}'])
def test_weights_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "language_model.arpa").write_text(ARPA)
    (tmp_path / "language_model.json").write_text(text)
    with pytest.raises(ValueError, match=r"language_model\.json"):
        fusion_beside(tmp_path, PIECES)
