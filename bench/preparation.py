"""What is built or fetched before anything is measured."""

from bench.request import MODELS_DIR
from stenod_models.export.catalogue import CATALOGUE, add


def build_models() -> None:
    """Every model that stenod serves; at once where they are there and current. Raises ModelBuildError."""
    for name in CATALOGUE:
        add(name, MODELS_DIR, progress=lambda _phase, _ratio: None, cache_dir=MODELS_DIR.parent / "wheels")
