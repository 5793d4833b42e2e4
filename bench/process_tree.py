"""What a process and all it started use: processor seconds and resident memory."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil

_Measured = TypeVar("_Measured")


class ProcessTree:
    """The process `pid` and its descendants, whoever of them lives at the moment of asking."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def cpu_s(self) -> float:
        """User and system seconds since the start; processes that ended count where their parent waited for them."""
        return sum(self._of_each(lambda process: sum(process.cpu_times()[:4])))

    def cpu_s_by_role(self, role_of: Callable[[str], str]) -> dict[str, float]:
        """The seconds of the living, added up by what `role_of` says of their command lines."""
        found: dict[str, float] = {}
        for command, seconds in self._of_each(lambda one: (" ".join(one.cmdline()), sum(one.cpu_times()[:2]))):
            role = role_of(command)
            found[role] = found.get(role, 0.0) + seconds
        return found

    def rss_bytes(self) -> int:
        """The resident sizes added up; memory that processes share counts for each of them. 0 once all have ended."""
        return sum(self._of_each(lambda process: int(process.memory_info().rss)))

    def _of_each(self, measure: Callable[[psutil.Process], _Measured]) -> Iterator[_Measured]:
        try:
            members = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in members:
            try:
                yield measure(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
