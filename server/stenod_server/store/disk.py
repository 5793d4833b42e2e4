"""Making files last: data is synced, and so is the directory that holds its name. Blocking."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Sync a file or a directory. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_with_name(path: Path) -> None:
    """Sync a file, and its name in the directory."""
    sync(path)
    sync(path.parent)


def make_private_directory(path: Path) -> None:
    """Create it with its parents, for the owner alone; one that is there is left as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
