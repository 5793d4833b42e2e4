"""The default model in this process, and served by a real Triton."""

from pathlib import Path

import pytest

from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from tests.support.models import built_models_dir, load_default_model
from tests.support.triton import embedded_triton

__all__ = ["built_models_dir", "embedded_triton"]


@pytest.fixture(scope="session")
def recogniser(built_models_dir: Path) -> MoonshineRecogniser:
    return load_default_model(built_models_dir)
