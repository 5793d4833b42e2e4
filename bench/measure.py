"""Run one system in a process of its own: send the request, read its report, watch its memory."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.process_tree import ProcessTree
from bench.protocol import Request, Word
from bench.recordings import CACHE_DIR, PROJECT_DIR

RSS_SAMPLE_S: Final = 0.25  # listing the processes of a machine costs milliseconds
_TAIL_BYTES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario once. `peak_rss_bytes` is the highest sum of the resident sizes of the system's processes."""

    scenario: str
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    texts: dict[str, str]


@dataclass(slots=True)
class Session:
    """All that a system reported. `figures` holds every value of a name."""

    load_s: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)
    words: dict[str, list[Word]] = field(default_factory=dict)


class SystemFailed(Exception):
    """The system ended with an error; the message ends with what it said last."""


def measure(
    module: str,
    python: Path,
    request: Request,
    *,
    timeout_s: float,
    on_event: Callable[[str], None] = lambda _text: None,
) -> Session:
    """Run `bench.systems.<module>` once. `on_event` gets a scenario's name as it begins. Raises SystemFailed."""
    log = CACHE_DIR / "logs" / f"{module}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", f"bench.systems.{module}"]
    session = Session()
    with log.open("wb") as stderr, _process(command, stderr, timeout_s) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request.to_json().encode())
        process.stdin.close()
        memory = _Memory()
        try:
            for line in process.stdout:
                _take(json.loads(line), session, memory, on_event)
        finally:
            memory.stop()
        status = process.wait()
    if status != 0:
        tail = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        raise SystemFailed(f"{module} ended with status {status}: {tail or 'it said nothing'}")
    return session


@contextmanager
def _process(command: list[str], stderr: Any, timeout_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """In a process group of its own, so that whatever it started ends with it."""
    process = subprocess.Popen(
        command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
    )
    deadline = threading.Timer(timeout_s, _kill, [process])
    deadline.start()
    try:
        yield process
    finally:
        deadline.cancel()
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _take(event: dict[str, Any], session: Session, memory: "_Memory", on_event: Callable[[str], None]) -> None:
    match event["event"]:
        case "ready":
            session.load_s, session.versions = event["load_s"], event["versions"]
            memory.watch(event["pid"])
        case "begin":
            memory.reset()
            on_event(event["scenario"])
        case "run":
            session.runs.append(
                Run(event["scenario"], event["wall_s"], event["cpu_s"], memory.peak_bytes, event["texts"])
            )
        case "figure":
            session.figures.setdefault(event["name"], []).append(event["value"])
        case "words":
            session.words[event["clip"]] = [Word(**word) for word in event["words"]]


class _Memory:
    """Samples a process tree from a thread of this process."""

    def __init__(self) -> None:
        self.peak_bytes = 0  # written by the sampling thread, and by `reset`
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, pid: int) -> None:
        self._thread = threading.Thread(target=self._sample, args=[ProcessTree(pid)], daemon=True)
        self._thread.start()

    def reset(self) -> None:
        self.peak_bytes = 0

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self, tree: ProcessTree) -> None:
        while not self._ended.wait(RSS_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, tree.rss_bytes())
