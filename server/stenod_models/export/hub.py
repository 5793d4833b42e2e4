"""Fetches a checkpoint from a Hugging Face endpoint: only the files that are needed, resumed where it broke off.

`HF_ENDPOINT`, `HF_TOKEN` and the proxies of the environment count, as they do for every tool of that hub. A file is
taken as whole once its size and, where the hub tells it, its SHA-256 are right.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from stenod_models.export.errors import ModelBuildError

NEEDS: Final = "fetching from a Hugging Face endpoint needs the extra `export`: pip install 'stenod[export]'"

_ID: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_BLOCK_BYTES: Final = 1024 * 1024
# A build reads the checkpoint and writes graphs of the same size: both must fit.
_ROOM_RATIO: Final = 2.0

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class HubFile:
    """`sha256` is empty where the hub does not tell it: of small files it tells a git id alone."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubListing:
    """What a repository holds, at a revision that never changes."""

    repository: str
    revision: str
    licence: str
    files: tuple[HubFile, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(file.name for file in self.files)

    def size_bytes(self, names: Iterable[str]) -> int:
        wanted = frozenset(names)
        return sum(file.size_bytes for file in self.files if file.name in wanted)


def is_hub_id(source: str) -> bool:
    """`org/name`, and no directory."""
    return _ID.fullmatch(source) is not None and not Path(source).exists()


def list_repository(repository: str) -> HubListing:
    """Ask the hub. Raises ModelBuildError: no such repository, no permission, no hub, no package to ask it with."""
    with _hub(repository) as hub:
        info = hub.HfApi(endpoint=_endpoint()).model_info(repository, files_metadata=True)
    files = tuple(
        HubFile(sibling.rfilename, sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else "")
        for sibling in info.siblings or ()
    )
    card = info.card_data
    return HubListing(repository, info.sha or "main", str((card.get("license") if card else None) or ""), files)


def fetch(listing: HubListing, names: Sequence[str], cache_dir: Path, *, report: Report) -> Path:
    """The directory with these files of the repository, downloaded where they are not there yet.

    What breaks off stays under `cache_dir` and is gone on with by the next call. Raises ModelBuildError.
    """
    folder = cache_dir / listing.repository.replace("/", "--") / listing.revision
    wanted = [file for file in listing.files if file.name in set(names)]
    missing = [file for file in wanted if not (folder / file.name).is_file()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, sum(file.size_bytes - _have_bytes(folder, file) for file in missing))
        meter = _Meter(sum(file.size_bytes for file in wanted), report)
        meter.advance(sum(file.size_bytes for file in wanted if file not in missing))
        for file in missing:
            _fetch_file(listing, file, folder, meter)
    except OSError as error:
        raise ModelBuildError(f"{listing.repository} could not be fetched to {folder}: {told(error)}") from error
    return folder


def told(error: OSError) -> str:
    """The error in words; a full disk by that name."""
    return "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else str(error)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _fetch_file(listing: HubListing, file: HubFile, folder: Path, meter: "_Meter") -> None:
    part = folder / f"{file.name}.part"
    if _have_bytes(folder, file) > file.size_bytes:
        part.unlink()
    with _hub(listing.repository) as hub:
        from huggingface_hub.file_download import http_get  # noqa: PLC0415 - of the extra `export`

        url = hub.hf_hub_url(listing.repository, file.name, revision=listing.revision, endpoint=_endpoint())
        with part.open("ab") as opened:
            meter.advance(opened.tell())
            http_get(
                url,
                opened,
                resume_size=opened.tell(),
                headers=hub.utils.build_hf_headers(),
                expected_size=file.size_bytes or None,
                tqdm_class=meter.bars,
            )
    if file.sha256 and sha256_of(part) != file.sha256:
        part.unlink()
        raise ModelBuildError(f"{file.name} of {listing.repository} is not the published file (SHA-256 differs)")
    part.replace(folder / file.name)


def _have_bytes(folder: Path, file: HubFile) -> int:
    part = folder / f"{file.name}.part"
    return part.stat().st_size if part.is_file() else 0


def _check_room(folder: Path, missing_bytes: int) -> None:
    """Before hours of downloading: what is missing, and what is built from it, must find room."""
    free_bytes = shutil.disk_usage(folder).free
    if missing_bytes * _ROOM_RATIO > free_bytes:
        raise ModelBuildError(
            f"{folder} has {free_bytes / 1e9:.1f} GB free; downloading {missing_bytes / 1e9:.1f} GB and building the "
            f"model takes {missing_bytes * _ROOM_RATIO / 1e9:.1f} GB"
        )


class _Meter:
    """Counts bytes over all files. `bars` is what the hub's library takes for a tqdm class: it asks no more of it."""

    def __init__(self, total_bytes: int, report: Report) -> None:
        self._total_bytes = max(1, total_bytes)
        self._done_bytes = 0
        self._report = report
        self.bars: Any = lambda **_shown: _Bar(self)

    def advance(self, count_bytes: float | None = 1) -> None:
        self._done_bytes += int(count_bytes or 0)
        self._report("downloading", min(1.0, self._done_bytes / self._total_bytes))


class _Bar:
    """As much of a progress bar as a download needs."""

    def __init__(self, meter: _Meter) -> None:
        self.update = meter.advance

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return


@contextmanager
def _hub(repository: str) -> Iterator[Any]:
    """The hub's library, its errors translated."""
    try:
        import huggingface_hub  # noqa: PLC0415 - of the extra `export`
        from huggingface_hub import errors  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelBuildError(f"{NEEDS} ({error.name} is missing)") from error
    endpoint = _endpoint() or "https://huggingface.co"
    # The root of all that its HTTP library raises, whichever that is by now: no answer and wrong ones.
    transport_error: Any = errors.HfHubHTTPError.__bases__[0]
    try:
        yield huggingface_hub
    except errors.GatedRepoError as error:
        problem = f"{repository} is gated: accept its terms at {endpoint}/{repository}, and set HF_TOKEN"
        raise ModelBuildError(problem) from error
    except errors.RepositoryNotFoundError as error:
        problem = f"there is no {repository} at {endpoint}, or HF_TOKEN may not see it; a directory is given as ./NAME"
        raise ModelBuildError(problem) from error
    except errors.OfflineModeIsEnabled as error:
        problem = f"{repository} is not fetched: HF_HUB_OFFLINE is set; give its directory as --from"
        raise ModelBuildError(problem) from error
    except (transport_error, errors.HFValidationError) as error:
        raise ModelBuildError(f"{repository} could not be fetched from {endpoint}: {error}") from error


def _endpoint() -> str | None:
    """Read when it is used; the library reads it once, when it is imported."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
