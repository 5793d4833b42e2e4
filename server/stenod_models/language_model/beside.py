"""The language model of a recogniser: files beside its graphs, in the version directory of its entry.

`language_model.arpa` (or `.arpa.gz`) is the model; `language_model.json`, where there is one, holds
LanguageModelWeights.
"""

import json
from pathlib import Path
from typing import Final

from stenod_models.language_model.arpa import read_arpa
from stenod_models.language_model.fusion import LanguageModelFusion, LanguageModelWeights, WordPieces

NAMES: Final = ("language_model.arpa", "language_model.arpa.gz")
WEIGHTS_NAME: Final = "language_model.json"


def fusion_beside(artefacts: Path, pieces: WordPieces) -> LanguageModelFusion | None:
    """None where there is no model. Raises BrokenArpaError, or ValueError for weights that are none."""
    paths = [artefacts / name for name in NAMES if (artefacts / name).is_file()]
    if not paths:
        return None
    return LanguageModelFusion(read_arpa(paths[0]), pieces, _weights(artefacts / WEIGHTS_NAME))


def _weights(path: Path) -> LanguageModelWeights:
    if not path.is_file():
        return LanguageModelWeights()
    try:
        raw = json.loads(path.read_text())
        return LanguageModelWeights(**{name: float(value) for name, value in raw.items()})
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: weight and word_bonus expected: {error}") from error
