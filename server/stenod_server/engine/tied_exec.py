"""Becomes another program that dies with its parent: `python -I -S tied_exec.py PARENT_PID NICE PROGRAM [ARGUMENT…]`.

A program of its own, because `preexec_fn` runs Python between fork and exec, which can deadlock where threads exist.
The death signal is sent when the *thread* that forked ends: asyncio forks in the event loop's thread, so the child
lives as long as the loop that supervises it. Standard library only; imports nothing of stenod.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Where Linux groups sessions for scheduling (sched(7), autogroup), niceness counts within a session alone, and Triton's
# would weigh as much as stenod's, which then waits for a processor while every core recognises. With this it weighs a
# third. Not less: Triton gives up a stub of which it has not heard for a second.
_SESSION_NICE = 5


def main(arguments: list[str]) -> None:
    parent_pid, nice, *command = arguments
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent_pid):  # it died before the signal was asked for
        sys.exit(1)
    os.nice(int(nice))
    _weigh_less(_SESSION_NICE)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted


def _weigh_less(nice: int) -> None:
    try:
        with open("/proc/self/autogroup", "w") as group:  # noqa: PTH123  pathlib takes longer than all the rest
            group.write(str(nice))
    except OSError:  # no such kernel, or not ours to say
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
