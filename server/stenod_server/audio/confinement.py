"""What a process that reads strangers' files may do: no files written, no core dumped, no life without its parent,
so much memory, so much processor time for each of them.
"""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from math import ceil
from pathlib import Path
from time import process_time
from typing import Final

_IDLE: Final = 20
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
    """Lower what this process may do from here on. `nice` 20, one beyond the scale: it runs only where nobody else
    wants to. `memory_limit_bytes` 0 = no limit of address space.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # where the machine runs out of memory, this process goes and the server stays
            Path("/proc/self/oom_score_adj").write_text("1000")
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _yield(nice)
    _lower(resource.RLIMIT_CORE, 0)  # a dump would hold the recording
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    if memory_limit_bytes:
        _lower(resource.RLIMIT_AS, memory_limit_bytes)


def allow_cpu_s(seconds: float) -> None:
    """From now on, so much processor time; then the kernel ends this process with SIGXCPU, even inside a library that
    never returns. To be called anew for each recording: the soft limit may go up again.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = ceil(process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _yield(nice: int) -> None:
    """On Linux each thread has a niceness of its own, and libraries have started some by now."""
    if sys.platform != "linux":
        os.nice(nice)
        return
    for thread in (int(entry.name) for entry in Path("/proc/self/task").iterdir()):
        with suppress(ProcessLookupError):  # it has ended since
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + nice)
            if nice == _IDLE:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def _lower(limit: int, value: int) -> None:
    soft, hard = resource.getrlimit(limit)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (bounded if soft == resource.RLIM_INFINITY else min(bounded, soft), hard))
