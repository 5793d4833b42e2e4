"""`<data_dir>/triton`: who may run a Triton there, which one ran there last, and the backend it loads."""

import contextlib
import fcntl
import os
from pathlib import Path

import structlog

from stenod_server.engine import processes
from stenod_server.engine.processes import PidRecord
from stenod_server.engine.tritonserver import Installation, link_backend
from stenod_server.errors import TritonFailed

_log = structlog.get_logger()


class TritonDirectory:
    """Claimed by one embedded Triton at a time; the claim ends with the process that made it, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backends = path / "backends"
        self._pid_file = path / "triton.pid"
        self._lock: int | None = None

    def claim(self, installation: Installation) -> None:
        """Lock the directory, end what a killed predecessor left running, build the backend directory.

        Raises TritonFailed when another process uses it or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep()
            link_backend(installation, self.backends)
        except BlockingIOError as error:
            self.release()
            raise TritonFailed(
                f"{self.path} is in use by another stenod: stop that one, or pass another --data-dir"
            ) from error
        except OSError as error:
            self.release()
            raise TritonFailed(f"{self.path} cannot be used: {error}") from error

    def record(self, pid: int, server_id: str) -> None:
        """For the next stenod here. Triton runs on a full disk too: the dead man's switch knows it as well."""
        try:
            PidRecord(pid, server_id).write(self._pid_file)
        except OSError as error:
            _log.warning("triton_not_recorded", pid=pid, problem=str(error))

    def forget(self) -> None:
        """What was recorded has ended."""
        with contextlib.suppress(OSError):  # a record of what is not there does no harm
            self._pid_file.unlink(missing_ok=True)

    def release(self) -> None:
        """Let another one claim it. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _sweep(self) -> None:
        record = PidRecord.read(self._pid_file)
        if record is None:
            return
        killed = processes.kill(record.server_id)
        if killed:
            _log.warning("triton_leftovers_killed", pids=killed)
        self.forget()
