"""What is built or fetched before anything is measured."""

import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

from bench.catalogue import DEFAULT_MODEL
from bench.peers_venv import peers_python
from bench.recordings import CACHE_DIR, PROJECT_DIR
from bench.request import MODELS_DIR
from stenod_models.export.build_request import BuildRequest
from stenod_models.export.catalogue import CATALOGUE, add

_VAD: Final = "silero-vad"
_WHISPER: Final = "whisper-base-"  # and the precision


def build_models(models: Collection[str] = (DEFAULT_MODEL,)) -> None:
    """These models, and what cuts recordings. Those of the catalogue at once where they are there and current, others
    anew each time: the exporter may have changed. Raises ModelBuildError, CalledProcessError.
    """
    for name in sorted({_VAD, *models}):
        request = BuildRequest()
        if name not in CATALOGUE:
            request = BuildRequest(source=str(_whisper_base()), precision=name.removeprefix(_WHISPER))
        wheels = PROJECT_DIR / ".cache" / "wheels"
        add(name, MODELS_DIR, progress=lambda _phase, _ratio: None, cache_dir=wheels, request=request)


def _whisper_base() -> Path:
    """As faster-whisper has it: made in the peers' environment, where the weights are."""
    subprocess.run([peers_python(), "-m", "bench.whisper_weights", CACHE_DIR], cwd=PROJECT_DIR, check=True)
    return CACHE_DIR / "whisper-base"
