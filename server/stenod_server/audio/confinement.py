"""What a process that reads strangers' files may do: no files written, no core dumped, no life without its parent."""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_MAX_OPEN_FILES: Final = 64


def tie_to_parent(parent_pid: int) -> None:
    """Die when the thread that started this process ends, be it by kill -9. Linux; elsewhere the closed pipe tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the signal was asked for
        sys.exit(1)


def confine(*, nice: int, memory_limit_bytes: int) -> None:
    """Lower what this process may do from here on. `memory_limit_bytes` 0 = no limit of address space."""
    os.nice(nice)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _lower(resource.RLIMIT_CORE, 0)  # a dump would hold the recording
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    if memory_limit_bytes:
        _lower(resource.RLIMIT_AS, memory_limit_bytes)


def _lower(limit: int, value: int) -> None:
    soft, hard = resource.getrlimit(limit)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (bounded if soft == resource.RLIM_INFINITY else min(bounded, soft), hard))
