"""Who may use a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stenod_server.errors import InvalidField


@contextmanager
def sole_user(data_dir: Path) -> Iterator[None]:
    """Two servers in one data directory would each rescue the other's jobs. The lock dies with the process."""
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise InvalidField(
            "data_dir", f"another stenod runs in {data_dir}; give this one a --data-dir of its own"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
