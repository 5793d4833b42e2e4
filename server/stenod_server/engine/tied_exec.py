"""Becomes another program that dies with its parent: `python -I -S tied_exec.py PARENT_PID NICE PROGRAM [ARGUMENT…]`.

A program of its own, because `preexec_fn` runs Python between fork and exec, which can deadlock where threads exist.
The death signal is sent when the *thread* that forked ends: asyncio forks in the event loop's thread, so the child
lives as long as the loop that supervises it. Standard library only; imports nothing of stenod.
"""

import ctypes
import os
import signal
import sys

_IDLE = 20  # one beyond the scale: only where nobody else wants to run
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent_pid, nice, *command = arguments
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent_pid):  # it died before the signal was asked for
        sys.exit(1)
    if int(nice) == _IDLE:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.nice(int(nice))
    os.execv(command[0], command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
