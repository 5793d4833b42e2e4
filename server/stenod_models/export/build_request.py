"""From what was asked for to a filled entry: finds the source, tells its family by its files, calls the exporter."""

import contextlib
import importlib
import importlib.metadata
import json
import re
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from stenod_models.export import hub
from stenod_models.export.errors import ModelBuildError

PRECISIONS: Final = ("fp32", "fp16", "bf16", "int8")
DEVICES: Final = ("cpu", "cuda")
# Of the checkpoint, what is small and may be needed. What it weighs is named below, one by one.
_SMALL_FILES: Final = re.compile(r"[^/]+\.(json|txt)|LICEN[CS]E[^/]*|README\.md", re.IGNORECASE)
_CONFIG: Final = "config.json"
_CTRANSLATE2: Final = "model.bin"
_SAFETENSORS: Final = "model.safetensors"
_SHARDS: Final = re.compile(r"model-\d+-of-\d+\.safetensors")
_NEMO_GRAPHS: Final = re.compile(r"(encoder-model|decoder_joint-model|model)\.onnx(\.data)?")
_PARAKEET_KINDS: Final = frozenset(
    f"{form}{head}" for form in ("parakeet_", "nemo-conformer-") for head in ("tdt", "ctc", "rnnt")
)
_LICENCE: Final = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)
_TOOLS: Final = ("stenod", "huggingface_hub", "numpy", "onnx", "onnxruntime", "torch", "transformers")
_CAN_BE_BUILT: Final = (
    "what can be built: Whisper (a Hugging Face or CTranslate2 directory), Parakeet TDT, RNN-T and CTC (a Hugging Face "
    "or onnx-asr directory)"
)
_FETCH_RATIO: Final = 0.5  # of the progress that is shown

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What was asked for; an empty text: as the catalogue has it, or what suits best. `source` is a directory or the
    id of a repository on the hub. `instances` and `gpus` are as in pbtxt.Placement.
    """

    source: str = ""
    precision: str = ""
    device: str = ""
    instances: int = 0
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """An exporter of `stenod_models.export`: `build(target, *, source, precision, device, report)`. `precisions` are by
    device, the first is taken where none is asked for.
    """

    name: str
    exporter: str
    precisions: Mapping[str, tuple[str, ...]]

    def precision(self, request: BuildRequest) -> str:
        """The one that is asked for. Raises ModelBuildError where the family cannot be had in it."""
        device = request.device or "cpu"
        offered = self.precisions.get(device, ())
        if not offered:
            raise ModelBuildError(f"{self.name} cannot be built for --device {device}: {self._offers()}")
        if request.precision and request.precision not in offered:
            raise ModelBuildError(
                f"{self.name} cannot be built with --precision {request.precision} for --device {device}: "
                f"{self._offers()}"
            )
        return request.precision or offered[0]

    def _offers(self) -> str:
        offers = (f"{device} in {', '.join(offered)}" for device, offered in self.precisions.items())
        return f"there is {'; '.join(offers)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What an entry was built from, by what: kept in its record. `files` maps names to SHA-256."""

    family: str
    precision: str
    device: str
    licence: str
    source: str
    source_revision: str
    files: Mapping[str, str]
    tools: Mapping[str, str]


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family("whisper", "whisper", {"cpu": ("fp32", "fp16", "int8"), "cuda": ("fp16", "bf16", "fp32")}),
            Family("parakeet", "parakeet", {"cpu": ("fp32", "int8"), "cuda": ("bf16", "fp16", "fp32")}),
        )
    }
)


def build(target: Path, request: BuildRequest, *, cache_dir: Path, report: Report) -> Provenance:
    """Fill the empty directory `target` from `request.source`. Raises ModelBuildError."""
    if hub.is_hub_id(request.source):
        listing = hub.list_repository(request.source)
        folder = _fetched(listing, request, cache_dir, lambda phase, done: report(phase, _FETCH_RATIO * done))
        return _export(target, folder, request, report, licence=listing.licence, revision=listing.revision)
    folder = Path(request.source).expanduser()
    if not folder.is_dir():
        raise ModelBuildError(f"--from {request.source} is neither a directory nor like ORGANISATION/NAME of a hub")
    return _export(target, folder, request, report, licence="", revision="")


def needed_files(names: Collection[str], where: object) -> tuple[str, ...]:
    """Of a checkpoint's files those that are read: one set of weights, and what is small. Subdirectories are not.

    Raises ModelBuildError where there are no weights.
    """
    if _SAFETENSORS in names:
        weights = [_SAFETENSORS]
    elif shards := [name for name in names if _SHARDS.fullmatch(name)]:
        weights = shards
    elif _CTRANSLATE2 in names:
        weights = [_CTRANSLATE2]
    else:
        weights = [name for name in names if _NEMO_GRAPHS.fullmatch(name)]
    if not weights:
        pickled = (
            "; pickled ones are never read" if any(name.endswith((".nemo", ".bin", ".pt")) for name in names) else ""
        )
        raise ModelBuildError(
            f"{where} has no weights: neither {_SAFETENSORS} nor CTranslate2's {_CTRANSLATE2} nor onnx-asr's graphs"
            f"{pickled}"
        )
    return tuple(sorted({*weights, *(name for name in names if _SMALL_FILES.fullmatch(name))}))


def family_of(folder: Path) -> Family:
    """Told from the files, never from a name. Raises ModelBuildError where it is none that can be built."""
    names = frozenset(path.name for path in folder.iterdir())
    if _CTRANSLATE2 in names and (spec := _ctranslate2_spec(folder / _CTRANSLATE2)):
        if spec == "WhisperSpec":
            return FAMILIES["whisper"]
        raise ModelBuildError(f"{folder} is a CTranslate2 model of kind {spec}; {_CAN_BE_BUILT}")
    if kind := _kind(folder):
        return _family_of_kind(kind, folder)
    if {"encoder-model.onnx", "model.onnx"} & names and "vocab.txt" in names:
        return FAMILIES["parakeet"]
    raise ModelBuildError(f"{folder} is no checkpoint: it has no config.json with a model_type; {_CAN_BE_BUILT}")


def _family_of_kind(kind: str, where: object) -> Family:
    if kind in _PARAKEET_KINDS:
        return FAMILIES["parakeet"]
    if kind == "whisper":
        return FAMILIES["whisper"]
    raise ModelBuildError(f"{where} is a checkpoint of the family {kind!r}; {_CAN_BE_BUILT}")


def _fetched(listing: hub.HubListing, request: BuildRequest, cache_dir: Path, report: Report) -> Path:
    """The checkpoint's files. What cannot be built is refused before gigabytes come in for nothing."""
    names = needed_files(listing.names, listing.repository)
    if _CONFIG in names:
        head = hub.fetch(listing, [_CONFIG], cache_dir, report=lambda _phase, _done: None)
        if kind := _kind(head):
            _family_of_kind(kind, listing.repository).precision(request)
    return hub.fetch(listing, names, cache_dir, report=report)


def licence_of(folder: Path) -> str:
    """What the front matter of its README says; empty where that says nothing."""
    try:
        front_matter = (folder / "README.md").read_text("utf-8").split("---", 2)[1]
    except (OSError, UnicodeDecodeError, IndexError):
        return ""
    found = _LICENCE.search(front_matter)
    return found[1].strip("'\"") if found else ""


def versions() -> Mapping[str, str]:
    """Of the tools that build models, those that are installed."""
    found = {}
    for tool in _TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[tool] = importlib.metadata.version(tool)
    return found


def _export(
    target: Path, folder: Path, request: BuildRequest, report: Report, *, licence: str, revision: str
) -> Provenance:
    family = family_of(folder)
    precision = family.precision(request)
    names = needed_files([path.name for path in folder.iterdir() if path.is_file()], folder)
    try:
        exporter = importlib.import_module(f"stenod_models.export.{family.exporter}")
        fetched = _FETCH_RATIO if revision else 0.0
        exporter.build(
            target,
            source=folder,
            precision=precision,
            device=request.device or "cpu",
            report=lambda phase, done: report(phase, fetched + (1 - fetched) * done),
        )
    except ModuleNotFoundError as error:
        raise ModelBuildError(
            f"building a {family.name} model needs the extra `export`: pip install 'stenod[export]' ({error.name} is "
            "missing)"
        ) from error
    return Provenance(
        family=family.name,
        precision=precision,
        device=request.device or "cpu",
        licence=licence or licence_of(folder),
        source=request.source,
        source_revision=revision,
        files={name: hub.sha256_of(folder / name) for name in names},
        tools=versions(),
    )


def _kind(folder: Path) -> str:
    """What its config.json says that it is; empty where that says nothing."""
    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ModelBuildError(f"{folder / _CONFIG} cannot be read: {error}") from error
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def _ctranslate2_spec(path: Path) -> str:
    """The kind that a CTranslate2 model says it is, from its head: the version of the form, then a text with its length
    (ctranslate2/specs/model_spec.py). Empty for another file of that name.
    """
    with path.open("rb") as opened:
        head = opened.read(6)
        if len(head) < 6:
            return ""
        form, length = struct.unpack("<IH", head)
        name = opened.read(length).rstrip(b"\0")
    return name.decode("ascii") if form < 256 and name.isalnum() and name.isascii() else ""
