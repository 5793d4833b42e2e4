"""Finds and ends the processes of an embedded Triton, also those a killed stenod left behind. Linux: reads /proc.

A Triton and its Python stubs are known by the random id they were started with, which stands in their command lines: a
process id that was given to another program since can never be mistaken for ours. The file beside the data says which
id to look for.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

_MIN_ID_CHARACTERS: Final = 16  # a short id, or none, would match processes that are not ours
_PROGRAMS: Final = frozenset({"tritonserver", "triton_python_backend_stub"})
_SHARED_MEMORY_DIR: Final = Path("/dev/shm")  # noqa: S108  where Triton puts the memory it shares with its stubs


@dataclass(frozen=True, slots=True)
class PidRecord:
    """`server_id` is the random id of one start of tritonserver; `pid` is for people who look at the file."""

    pid: int
    server_id: str

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where there is no file, or a torn one."""
        try:
            raw = json.loads(path.read_text())
            record = cls(int(raw["pid"]), str(raw["server_id"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return record if len(record.server_id) >= _MIN_ID_CHARACTERS else None


def is_ours(command: list[str], server_id: str) -> bool:
    """A server carries `--id=<server_id>`; a stub the name of its shared memory, which starts with the id."""
    if len(server_id) < _MIN_ID_CHARACTERS or not command or Path(command[0]).name not in _PROGRAMS:
        return False
    return any(argument == f"--id={server_id}" or argument.startswith(server_id) for argument in command[1:])


def find(server_id: str) -> list[int]:
    """The live processes of that start. Reads /proc once, some milliseconds."""
    return [pid for pid, command in commands() if is_ours(command, server_id)]


def kill(server_id: str) -> list[int]:
    """SIGKILL every process of that start and remove its shared memory. Returns the process ids it signalled."""
    pids = []
    for pid, command in commands():
        if is_ours(command, server_id):
            with suppress(ProcessLookupError):  # at once: the longer the wait, the likelier the number is another's
                os.kill(pid, signal.SIGKILL)
            pids.append(pid)
    if len(server_id) >= _MIN_ID_CHARACTERS:
        for region in _SHARED_MEMORY_DIR.glob(f"{server_id}*"):
            region.unlink(missing_ok=True)
    return pids


def waits_s(server_id: str) -> dict[int, float]:
    """Of each thread of that start, how long it could have run but no processor was free; empty where Linux does not
    tell. Reads all of /proc: some milliseconds, more on a full host.
    """
    return {thread: waited_s for pid in find(server_id) for thread, waited_s in _waits_of(Path(f"/proc/{pid}/task"))}


def _waits_of(tasks: Path) -> Iterator[tuple[int, float]]:
    with suppress(OSError):  # the process ended meanwhile
        for task in tasks.iterdir():
            with suppress(OSError, ValueError, IndexError):  # the thread did
                yield int(task.name), int(task.joinpath("schedstat").read_text().split()[1]) / 1e9


def commands() -> Iterator[tuple[int, list[str]]]:
    """Process id and command line of every process that can be read; those of zombies are empty."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
                yield int(entry.name), entry.joinpath("cmdline").read_text(errors="replace").split("\0")[:-1]
