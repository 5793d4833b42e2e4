"""Whether the kernel has a file in memory (Linux)."""

import os
from pathlib import Path


def is_cached(path: Path) -> bool:
    """The file's first page. Raises OSError where the file system cannot tell."""
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
        except BlockingIOError:
            return False


def lets_go(directory: Path) -> bool:
    """Whether files there leave the memory when they are asked to: not on tmpfs."""
    path = directory / "asked"
    path.write_bytes(bytes(4096))
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return not is_cached(path)
    except OSError:
        return False
    finally:
        path.unlink()
