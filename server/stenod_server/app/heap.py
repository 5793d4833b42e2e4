"""A heap that gives back what a burst of large messages took, and keeps what the next one needs.

glibc raises its threshold for `mmap` with every large block that is freed, so that recordings sent within messages soon
come from the heap; whatever small stays above them keeps their pages for good, in up to eight arenas per core. Fixed
thresholds and few arenas keep a server that runs for months at what it needs (mallopt(3), malloc/malloc.c). Below the
chunks of an upload and the windows of a recording they may not lie: fresh pages for each of them cost more than what is
done with them.
"""

import ctypes
import gc
import platform
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8

LARGE_BYTES: Final = 2 * 1024**2  # has pages of its own: more than a chunk of an upload, more than most windows
KEPT_BYTES: Final = 16 * 1024**2  # at the end of an arena, for what comes next
ARENAS: Final = 2


def settle_heap() -> bool:
    """Fix the thresholds of this process; False where its C library is not glibc. Call it before threads start."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    chosen = {M_TRIM_THRESHOLD: KEPT_BYTES, M_MMAP_THRESHOLD: LARGE_BYTES, M_ARENA_MAX: ARENAS}
    return all(mallopt(parameter, value) == 1 for parameter, value in chosen.items())


def leave_as_it_is() -> None:
    """What a node has made by now, it keeps: Python's collector need not look through it again and again, a tenth of a
    second each time in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
