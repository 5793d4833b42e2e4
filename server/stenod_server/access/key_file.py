"""Adds keys to the access file and takes them out, leaving everything else in it as people wrote it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from stenod_server.access.access_file import AccessTable, KeyEntry, parse


def read_keys(path: Path) -> AccessTable:
    """A file that is not there has no keys. Raises ValueError, OSError."""
    return parse(path.read_text("utf-8")) if path.exists() else AccessTable({}, {})


def add_key(path: Path, entry: KeyEntry) -> None:
    """Raises ValueError for a file that is no good as it is, OSError."""
    with _sole_writer(path):
        text = path.read_text("utf-8") if path.exists() else ""
        parse(text)  # what is broken stays as it is, to be mended by hand
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        text += gap + _written(entry)
        parse(text)
        _replace(path, text)


def remove_key(path: Path, key_id: str) -> None:
    """Raises KeyError for a key that is not there, ValueError, OSError."""
    with _sole_writer(path):
        text = path.read_text("utf-8")
        before = parse(text)
        after = "".join(_without(text.splitlines(keepends=True), before.keys[key_id]))
        # The cut is by lines, not by grammar: only its outcome counts.
        keys = {other: entry for other, entry in before.keys.items() if other != key_id}
        if parse(after) != AccessTable(keys, before.certificates):
            message = f"the entry of {key_id} cannot be cut out of {path}: take it out by hand"
            raise ValueError(message)
        _replace(path, after)


def _written(entry: KeyEntry) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in sorted(entry.scopes))
    tenant = entry.tenant.replace("\\", "\\\\").replace('"', '\\"')
    lines = ["[[keys]]", f'id = "{entry.id}"', f'tenant = "{tenant}"', f'hash = "{entry.hash}"', f"scopes = [{scopes}]"]
    if entry.expires:
        lines.append(f"expires = {_moment(entry.expires)}")
    return "\n".join(lines) + "\n"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _without(lines: list[str], entry: KeyEntry) -> Iterator[str]:
    """The lines without the table of this entry. Comments and empty lines above a table belong to it that follows."""
    starts = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")] + [len(lines)]
    yield from lines[: starts[0]]
    for start, end in pairwise(starts):
        block = lines[start:end]
        if lines[start].strip().startswith("[[keys]]") and entry.hash in "".join(block):
            block = block[_length(block) :]
        yield from block


def _length(block: list[str]) -> int:
    """Up to the last line that says something."""
    telling = [number for number, line in enumerate(block) if line.strip() and not line.lstrip().startswith("#")]
    return telling[-1] + 1


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Two commands at once would lose one's key. The directory is locked, because the file itself is replaced."""
    directory = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _replace(path: Path, text: str) -> None:
    """At once or not at all, also for a server that reads it at this moment; for its owner's eyes only."""
    target = path.resolve()  # a link stays a link
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if target.exists() and os.geteuid() == 0:
                # Root adds a key for a server that runs as somebody else.
                owner = target.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
