"""Finds the committed half of a model repository entry: config.pbtxt and the model.py shim."""

from pathlib import Path

import stenod_models
from stenod_models.export.errors import ModelBuildError


def template_of(name: str) -> Path:
    """The entry's template directory: inside the installed package, or at the top of the repository when editable."""
    package = Path(stenod_models.__file__).parent
    candidates = (package / "model_repository" / name, package.parents[1] / "model_repository" / name)
    for candidate in candidates:
        if (candidate / "config.pbtxt").is_file():
            return candidate
    raise ModelBuildError(f"the template of {name} is not installed: looked in {candidates[0]} and {candidates[1]}")
