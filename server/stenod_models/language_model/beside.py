"""The language model of a recogniser: files beside its graphs, in the version directory of its entry.

`language_model.arpa` (or `.arpa.gz`) is the model; `language_model.json`, where there is one, holds how it is used:
LanguageModelUse. `stenod models set-language-model` writes both.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from stenod_models.language_model.arpa import read_arpa
from stenod_models.language_model.fusion import LanguageModelFusion, LanguageModelUse, WordPieces

NAME: Final = "language_model.arpa"
ZIPPED_NAME: Final = "language_model.arpa.gz"
USE_NAME: Final = "language_model.json"
TAKEN_BY: Final = frozenset({"moonshine", "parakeet"})  # the families whose beams listen to one


def fusion_beside(artefacts: Path, pieces: WordPieces) -> LanguageModelFusion | None:
    """None where there is no model. Raises BrokenArpaError, or ValueError for a use that is none."""
    paths = [artefacts / name for name in (NAME, ZIPPED_NAME) if (artefacts / name).is_file()]
    if not paths:
        return None
    return LanguageModelFusion(read_arpa(paths[0]), pieces, _use(artefacts / USE_NAME))


def write_use(artefacts: Path, use: LanguageModelUse) -> None:
    """For `fusion_beside`."""
    (artefacts / USE_NAME).write_text(json.dumps(asdict(use)) + "\n")


def _use(path: Path) -> LanguageModelUse:
    if not path.is_file():
        return LanguageModelUse()
    try:
        raw = json.loads(path.read_text())
        kinds = {name: type(value) for name, value in asdict(LanguageModelUse()).items()}
        return LanguageModelUse(**{name: kinds.get(name, float)(value) for name, value in raw.items()})
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: weight, word_bonus and beam_size expected: {error}") from error
