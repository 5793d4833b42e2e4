"""What is built or fetched before anything is measured."""

import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.catalogue import DEFAULT_MODEL
from bench.peers_venv import peers_python
from bench.recordings import CACHE_DIR, PROJECT_DIR
from bench.request import MODELS_DIR
from stenod_models.export.build_request import BuildRequest
from stenod_models.export.catalogue import CATALOGUE, add

_VAD: Final = "silero-vad"
_WHISPER, _PARAKEET = "whisper-base", "parakeet-random"  # and the precision


def build_models(models: Collection[str] = (DEFAULT_MODEL,)) -> None:
    """These models, and what cuts recordings. Those of the catalogue at once where they are there and current, others
    anew each time: the exporter may have changed. Raises ModelBuildError, CalledProcessError.
    """
    for name in sorted({_VAD, *models}):
        request = BuildRequest()
        if name not in CATALOGUE:
            kind, _dash, precision = name.rpartition("-")
            request = BuildRequest(source=str(_SOURCES[kind]()), precision=precision)
        wheels = PROJECT_DIR / ".cache" / "wheels"
        add(name, MODELS_DIR, progress=lambda _phase, _ratio: None, cache_dir=wheels, request=request)


def _whisper_base() -> Path:
    """As faster-whisper has it: made in the peers' environment, where the weights are."""
    subprocess.run([peers_python(), "-m", "bench.whisper_weights", CACHE_DIR], cwd=PROJECT_DIR, check=True)
    return CACHE_DIR / "whisper-base"


def _parakeet() -> Path:
    from bench.parakeet_weights import random_parakeet  # noqa: PLC0415 - needs the extra `export`

    return random_parakeet(CACHE_DIR)


_SOURCES: Final[Mapping[str, Callable[[], Path]]] = MappingProxyType({_WHISPER: _whisper_base, _PARAKEET: _parakeet})
