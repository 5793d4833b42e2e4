"""Files that are read again when they change, without a restart; what cannot be read changes nothing."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

import structlog

from stenod_server.errors import StenodError

LOOK_S: Final = 1.0
_Content = TypeVar("_Content")
_Signature: TypeAlias = tuple[tuple[int, ...] | None, ...]
_log = structlog.get_logger()


class WatchedFiles(Generic[_Content]):
    """What `load` makes of some files, or directories of files. Looks at them when it is asked, at most once a second.

    `load` raises StenodError for files that are no good: at first that is the caller's to tell, and later the log's
    (`access_file_refused`, once for each change), while what was read before stays in use. An atomic rename, and the
    swap of a directory's symbolic link as Kubernetes does it, are seen by the inode.
    """

    def __init__(
        self, paths: Sequence[Path], load: Callable[[], _Content], *, monotonic_s: Callable[[], float]
    ) -> None:
        self._paths = tuple(paths)
        self._load = load
        self._monotonic_s = monotonic_s
        self._looked_s = monotonic_s()
        self._signature = self._sign()
        self._content = load()

    def current(self) -> _Content:
        """A few system calls now and then, on small files."""
        now_s = self._monotonic_s()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        return self._content

    def _look(self) -> None:
        # Signed before it is read: a change in between is seen the next time.
        signature = self._sign()
        if signature == self._signature:
            return
        self._signature = signature
        names = [str(path) for path in self._paths]
        try:
            self._content = self._load()
        except StenodError as error:
            _log.error("access_file_refused", files=names, problem=error.message, advice="what was read before is used")
        else:
            _log.info("access_file_read", files=names)

    def _sign(self) -> _Signature:
        return tuple(_stat(path) for watched in self._paths for path in _with_content(watched))


def _with_content(path: Path) -> Iterable[Path]:
    """Of a directory that cannot be read, itself alone: `load` says what is wrong with it."""
    try:
        return (path, *sorted(path.iterdir())) if path.is_dir() else (path,)
    except OSError:
        return (path,)


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_dev, found.st_size
