"""Directories that a node needs from its start: its own, and those it writes to."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stenod_server.errors import InvalidField


@contextmanager
def sole_user(data_dir: Path) -> Iterator[None]:
    """Two servers in one data directory would each rescue the other's jobs. The lock dies with the process."""
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise InvalidField(
            "data_dir", f"another stenod runs in {data_dir}; give this one a --data-dir of its own"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def make_writable(setting: str, directory: Path | None) -> None:
    """Create the directory of a setting, if it names one. Raises InvalidField where nothing can be written to it."""
    if directory is None:
        return
    try:
        directory.expanduser().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory.expanduser()):
            pass
    except OSError as error:
        raise InvalidField(setting, f"{directory} cannot be written to: {error.strerror}") from error
