"""The models that can be added by name, and adding, removing and listing them in a models directory."""

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from stenod_models.contract import Profile
from stenod_models.export import build_request, moonshine, silero, voices
from stenod_models.export.build_request import BuildRequest, Provenance
from stenod_models.export.entries import RECORD, put_in_place, record_of, revision_of, write_record
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.hub import told
from stenod_models.export.pbtxt import (
    Placement,
    profile_of,
    published_revision,
    set_identity,
    set_placement,
    set_revision,
)
from stenod_models.export.wheels import PinnedWheel

_DOWNLOADS: Final = ".downloads"  # of the models directory; no entry, for its name starts with a dot
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_PARAKEET_V3_LANGUAGES: Final = "bg hr cs da nl en et fi fr de el hu it lv lt mt pl pt ro sk sl es sv ru uk"
_WHISPER_V3_LANGUAGES: Final = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jv su yue"
)

Progress = Callable[[str, float], None]


class Builder(Protocol):
    """Fills an empty directory with an entry; raises ModelBuildError."""

    def __call__(self, target: Path, *, cache_dir: Path | None, report: Progress) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """`revision` rises when a built entry must be built anew. `served` tells a Triton entry from a plain file.

    Built by `build` from a `wheel` whose files are known, in one `precision`; or, where there is none, by the exporter
    of its family from the repository `hub`, in a choice of them.
    """

    name: str
    description: str
    licence: str
    download_bytes: int
    languages: tuple[str, ...]
    revision: int
    served: bool = True
    precision: str = ""
    wheel: PinnedWheel | None = None
    build: Builder | None = None
    hub: str = ""

    @property
    def source(self) -> str:
        return self.wheel.requirement if self.wheel else self.hub


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A directory of the models directory. `is_current` is False where `add` would build it anew. What is not known of
    one that was made by hand is empty.
    """

    name: str
    path: Path
    is_current: bool
    served: bool
    size_bytes: int
    languages: tuple[str, ...]
    precision: str
    licence: str


CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            CatalogueEntry(
                name=moonshine.NAME,
                description="English speech recognition, small and fast on a CPU; the default",
                licence="MIT",
                download_bytes=91_000_000,
                languages=("en",),
                revision=9,
                precision="int8",
                wheel=moonshine.WHEEL,
                build=moonshine.build,
            ),
            CatalogueEntry(
                name="parakeet-tdt-0.6b-v3",
                description="Speech recognition in 25 European languages; the fastest accurate one on a GPU",
                licence="CC-BY-4.0",
                download_bytes=2_510_000_000,
                languages=tuple(_PARAKEET_V3_LANGUAGES.split()),
                revision=2,
                hub="nvidia/parakeet-tdt-0.6b-v3",
            ),
            CatalogueEntry(
                name=silero.NAME,
                description="Voice activity detection, used by the server to cut recordings at pauses",
                licence="MIT",
                download_bytes=9_000_000,
                languages=(),
                revision=1,
                served=False,
                precision="fp32",
                wheel=silero.WHEEL,
                build=silero.build,
            ),
            CatalogueEntry(
                name=voices.NAME,
                description="Who speaks when, for jobs that ask which speaker said what",
                licence="MIT and Apache-2.0",
                download_bytes=81_000_000,
                languages=(),
                revision=1,
                precision="fp32",
                wheel=voices.WHEEL,
                build=voices.build,
            ),
            CatalogueEntry(
                name="whisper-large-v3-turbo",
                description="Speech recognition in 100 languages, identified by itself",
                licence="MIT",
                download_bytes=1_620_000_000,
                languages=tuple(_WHISPER_V3_LANGUAGES.split()),
                revision=2,
                hub="openai/whisper-large-v3-turbo",
            ),
        )
    }
)


def add(
    name: str,
    models_dir: Path,
    *,
    progress: Progress,
    cache_dir: Path | None = None,
    request: BuildRequest = BuildRequest(),  # noqa: B008 - immutable
) -> Path:
    """Build a model into `models_dir/name` and return that path; at once where it is there as asked for and current.
    With a source of its own in `request` it is built in any case: that may have changed.

    The entry appears whole or not at all: it is built beside its place and renamed. `progress` gets a phase and
    0..1. `cache_dir` keeps what is downloaded (else `models_dir/.downloads` keeps what comes from a hub, so that it is
    gone on with). Blocks for seconds to minutes.

    Raises:
        ModelBuildError: the name or the source is unknown, the source is of no family that can be built, or not in that
            precision; a file cannot be fetched or is not the published one; the disk is full; or the built model fails
            what it is tried with.
    """
    _check(name, request)
    target = models_dir / name
    if _is_as_asked(target, request):
        progress("ready", 1.0)
        return target
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=models_dir, prefix=f".{name}."))
        try:
            record = _fill(scratch, name, request, cache_dir=cache_dir, report=progress)
            write_record(scratch, record)
            if not _is_as_asked(target, request):  # what somebody else has built meanwhile stays: it is the same
                put_in_place(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ModelBuildError(f"{name} could not be built in {models_dir}: {told(error)}") from error
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
    paths = [path for path in sorted(models_dir.iterdir()) if _NAME.fullmatch(path.name) and _is_entry(path)]
    return [_described(path) for path in paths]


def _described(path: Path) -> InstalledModel:
    record, profile, entry = record_of(path) or {}, _profile(path), CATALOGUE.get(path.name)
    return InstalledModel(
        name=path.name,
        path=path,
        is_current=_is_current(path),
        served=(path / "config.pbtxt").is_file(),
        size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        languages=profile.languages if profile else (),
        precision=record.get("precision") or (entry.precision if entry else ""),
        licence=record.get("licence") or (profile.licence if profile else "") or (entry.licence if entry else ""),
    )


def _check(name: str, request: BuildRequest) -> None:
    """Raises ModelBuildError where no such model can be built, whatever the source turns out to be."""
    entry = CATALOGUE.get(name)
    if not _NAME.fullmatch(name):
        raise ModelBuildError(f"{name!r} cannot be a model's name: lower-case letters, digits, '.', '_' and '-' can")
    if entry is None and not request.source:
        raise ModelBuildError(
            f"no model is called {name!r}; there are {', '.join(CATALOGUE)}; a checkpoint of your own goes by --from"
        )
    for option, asked, known in (
        ("--precision", request.precision, build_request.PRECISIONS),
        ("--device", request.device, build_request.DEVICES),
    ):
        if asked and asked not in known:
            raise ModelBuildError(f"{option} {asked} is none of {', '.join(known)}")
    if request.instances < 0 or len(set(request.gpus)) < len(request.gpus) or min(request.gpus, default=0) < 0:
        raise ModelBuildError(f"--instances {request.instances} and --gpus {request.gpus} count from 1 and from 0")
    if request.gpus and request.device != "cuda":
        raise ModelBuildError("--gpus are of --device cuda")
    if entry is None or entry.build is None:
        return
    if request.source:
        raise ModelBuildError(f"{name} is built from {entry.source} alone; give a model of --from another name")
    if request.precision not in {"", entry.precision} or request.device not in {"", "cpu"} or request.instances:
        raise ModelBuildError(
            f"{name} is built for --device cpu with --precision {entry.precision} alone, with one instance per core"
        )


def _fill(
    scratch: Path, name: str, request: BuildRequest, *, cache_dir: Path | None, report: Progress
) -> Mapping[str, Any]:
    """Build into the empty directory; returns the entry's record."""
    entry = CATALOGUE.get(name)
    if entry is not None and entry.build is not None:
        entry.build(scratch, cache_dir=cache_dir, report=report)
        provenance = _of_wheel(entry, _profile(scratch))
    else:
        asked = request if request.source or entry is None else replace(request, source=entry.hub)
        downloads = (cache_dir or scratch.parent) / _DOWNLOADS
        provenance = build_request.build(scratch, asked, cache_dir=downloads, report=report)
        if entry is not None and not request.source:
            provenance = replace(provenance, licence=entry.licence)
        set_identity(scratch / "config.pbtxt", name=name, licence=provenance.licence)
        set_placement(scratch / "config.pbtxt", Placement(provenance.device, request.instances, request.gpus))
    if entry is None or entry.served:
        _publish_revision(scratch)
    placed = {"instances": request.instances, "gpus": list(request.gpus)}
    built = {"name": name, "revision": entry.revision if entry else 0, "built_time": datetime.now(UTC).isoformat()}
    return {**built, **asdict(provenance), **placed}


def _publish_revision(scratch: Path) -> None:
    """Of what Triton runs, unless the builder has published one that says better what it gives."""
    config = scratch / "config.pbtxt"
    if not published_revision(config):
        set_revision(config, revision_of(scratch))


def _of_wheel(entry: CatalogueEntry, profile: Profile | None) -> Provenance:
    return Provenance(
        family=profile.family if profile else entry.name,
        precision=entry.precision,
        device="cpu",
        licence=entry.licence,
        source=entry.source,
        source_revision="",
        files=dict(entry.wheel.files) if entry.wheel else {},
        tools=build_request.versions(),
    )


def _profile(path: Path) -> Profile | None:
    try:
        return profile_of(path / "config.pbtxt")
    except (OSError, ModelBuildError, ValueError, TypeError):
        return None


def _is_entry(path: Path) -> bool:
    return (path / RECORD).is_file() or (path / "config.pbtxt").is_file()


def _is_current(path: Path) -> bool:
    """True for a catalogue model of the present revision; a hand-made entry is its maker's to update."""
    record, entry = record_of(path), CATALOGUE.get(path.name)
    if record is None:
        return (path / "config.pbtxt").is_file()
    return entry is None or record.get("revision") == entry.revision


def _is_as_asked(path: Path, request: BuildRequest) -> bool:
    """Whether what is there need not be built again."""
    entry, record = CATALOGUE.get(path.name), record_of(path) or {}
    if request.source or not _is_current(path):
        return False
    if entry is not None and entry.build is not None:
        return True  # there is one form of it
    asked = {
        "precision": request.precision,
        "device": request.device,
        "instances": request.instances,
        "gpus": list(request.gpus),
    }
    return all(not value or record.get(key) == value for key, value in asked.items())
