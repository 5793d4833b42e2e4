"""Making files last: their data is synced, and so are the directories that hold their names. Blocking.

And leaving room: media stops at a low-water mark, so that the database beside it can always be written.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from stenod_server.errors import StorageFull


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The disk that `directory` is on, of which `min_free_bytes` (the setting) are left free. 0: all of it is used."""

    directory: Path
    min_free_bytes: int = 0

    def free_bytes(self) -> int:
        """What is left for those who are not root. Raises OSError."""
        disk = os.statvfs(self.directory)
        return disk.f_bavail * disk.f_frsize

    def check(self, more_bytes: int = 0) -> None:
        """Whether so much more may be stored, as far as is known now. Raises StorageFull, OSError."""
        free_bytes = self.free_bytes()
        if self.min_free_bytes and free_bytes - more_bytes < self.min_free_bytes:
            message = (
                f"the disk of the media has {free_bytes} bytes left, and min_free_bytes = {self.min_free_bytes} of "
                "them stay free"
            )
            raise StorageFull(message, free_bytes=free_bytes, min_free_bytes=self.min_free_bytes)


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
