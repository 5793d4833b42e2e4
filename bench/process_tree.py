"""What a process and all it started use: processor seconds and resident memory."""

from collections.abc import Callable, Iterator

import psutil


class ProcessTree:
    """The process `pid` and its descendants, whoever of them lives at the moment of asking."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def cpu_s(self) -> float:
        """User and system seconds since the start; processes that ended count where their parent waited for them."""
        return sum(self._of_each(lambda process: sum(process.cpu_times()[:4])))

    def rss_bytes(self) -> int:
        """The resident sizes added up; memory that processes share counts for each of them. 0 once all have ended."""
        return int(sum(self._of_each(lambda process: process.memory_info().rss)))

    def _of_each(self, measure: Callable[[psutil.Process], float]) -> Iterator[float]:
        try:
            members = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in members:
            try:
                yield measure(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
