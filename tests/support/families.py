"""Proofs of recognisers with real weights, family by family, in this process."""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from stenod_models.recogniser import Recogniser
from tests.support.models import build_models, load_default_model
from tests.support.whisper_weights import build_whisper_base, load_whisper

FAMILIES: Final[Mapping[str, Callable[[Path], Recogniser]]] = {
    "moonshine": lambda _directory: load_default_model(build_models()),
    "whisper": lambda directory: load_whisper(build_whisper_base(directory), threads=1),
}


def prove_families(description: str | None, proven: Callable[[Recogniser, int], bool]) -> bool:
    """Whether `proven(recogniser, every)` holds for the families that the command line names, one and all."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=[*FAMILIES], help="moonshine, whisper")
    parser.add_argument("--every", type=int, default=1, help="take only one recording in so many")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        held = [proven(FAMILIES[family](Path(name)), arguments.every) for family in arguments.families]
    return all(held)
