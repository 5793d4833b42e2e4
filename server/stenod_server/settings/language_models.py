"""Language models of the operator's own, by recogniser."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

DEFAULT: Final = "*"  # in the place of a recogniser's name: the default one
WIDEST_BEAM: Final = 16  # of every family


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """An ARPA file, gzipped or not. `weight` is of its natural log-probabilities, `word_bonus` is added for each word,
    `beam_size` is what a job is searched with that does not ask for more.
    """

    path: Path
    weight: Annotated[float, Field(ge=0)] = 0.5
    word_bonus: float = 0.0
    beam_size: Annotated[int, Field(ge=2, le=WIDEST_BEAM)] = 5


def by_recogniser(named: Mapping[str, LanguageModel], default: str) -> Mapping[str, LanguageModel]:
    """A recogniser's own name counts over the default's."""
    return {default if name == DEFAULT else name: named[name] for name in sorted(named, key=DEFAULT.__ne__)}
