"""The secrets that identifiers of voices are sealed with: a directory of files `s.<number>`, read anew when it changes.

The highest number seals, all of them open: a new one is added before an old one is taken out, and what an old one has
sealed is of no use from then on.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from stenod_server.access.watched import WatchedFiles
from stenod_server.errors import InvalidField

SpeakerSecrets: TypeAlias = Mapping[int, bytes]

MIN_BYTES: Final = 16
MAX_BYTES: Final = 4096
_OWN_BYTES: Final = 32
_SETTING: Final = "speaker_secrets_dir"
_NAME: Final = re.compile(r"s\.(0|[1-9][0-9]{0,8})")


def read_speaker_secrets(directory: Path) -> SpeakerSecrets:
    """By number, at least one. The bytes of a file are the secret, whatever they are; files of other names are left
    alone. Raises InvalidField; no message repeats a secret.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
        found = {int(path.name.removeprefix("s.")): _read(path) for path in paths}
    except OSError as error:
        where = error.filename or directory
        raise InvalidField(_SETTING, f"{where} cannot be read: {error.strerror}") from error
    if not found:
        raise InvalidField(_SETTING, f"{directory} has no file s.<number>, as s.1")
    return found


def watch_speaker_secrets(directory: Path, monotonic_s: Callable[[], float]) -> WatchedFiles[SpeakerSecrets]:
    """Raises InvalidField."""
    return WatchedFiles((directory,), lambda: read_speaker_secrets(directory), monotonic_s=monotonic_s)


def make_speaker_secrets(directory: Path) -> None:
    """Of a node that is given none: one of its own, once, that nobody else can read. Raises InvalidField."""
    path = directory / "s.1"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(_NAME.fullmatch(found.name) for found in directory.iterdir()):
            return
        new = directory / ".new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_OWN_BYTES))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync_directory(directory)
    except OSError as error:
        raise InvalidField(_SETTING, f"{path} cannot be written: {error.strerror}") from error


def _sync_directory(directory: Path) -> None:
    """A name is not safe before its directory is."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        secret = file.read(MAX_BYTES + 1)
    if not MIN_BYTES <= len(secret) <= MAX_BYTES:
        size = "more" if len(secret) > MAX_BYTES else str(len(secret))
        raise InvalidField(_SETTING, f"{path} has {size} bytes, must have {MIN_BYTES} to {MAX_BYTES}")
    return secret
