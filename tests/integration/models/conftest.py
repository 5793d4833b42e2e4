"""The default model in this process. What starts a Triton is in tests/integration/engine."""

from pathlib import Path

import pytest

from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from tests.support.models import built_models_dir, load_default_model

__all__ = ["built_models_dir"]


@pytest.fixture(scope="session")
def recogniser(built_models_dir: Path) -> MoonshineRecogniser:
    return load_default_model(built_models_dir)
