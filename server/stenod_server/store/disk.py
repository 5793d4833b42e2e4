"""Making files last: their data is synced, and so are the directories that hold their names. Blocking."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Sync a file or a directory. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_names(path: Path, root: Path) -> None:
    """Sync the directories from the one that holds `path` up to `root`: each holds the name of the one below, which
    may be as new as the file.
    """
    for parent in path.parents:
        sync(parent)
        if parent == root:
            return


def make_private_directory(path: Path) -> None:
    """Create it with its parents, for the owner alone; one that is there is left as it is."""
    if path.is_dir():
        return
    make_private_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.parent)


def make_private_file(path: Path) -> None:
    """Create it empty, readable by the owner alone from the first moment; one that is there is left as it is."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    sync(path.parent)
