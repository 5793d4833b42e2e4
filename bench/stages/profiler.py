"""A sampling profiler beside a running process: py-spy, which sees Python from outside."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RATE_HZ: Final = 100
_LONGEST_S: Final = 3600
_STARTS_S: Final = 1.0  # it reads the symbols first, and says nothing when it has
_ENDS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """`flame`: a flame graph as SVG instead of folded stacks."""

    pid: int
    output: Path
    flame: bool = False


class ProfilerFailed(Exception):
    """py-spy could not look at the process; the message says why."""


@contextmanager
def profiled(target: Target) -> Iterator[None]:
    """Everything inside is sampled; `output` is there afterwards. Only threads that hold the interpreter lock count:
    others that seem to run are mostly waiting. A sample is thus 1 / RATE_HZ seconds of Python. The process is not
    stopped for it, which spoils a few samples and spares the process. Raises ProfilerFailed.
    """
    binary = Path(sys.executable).with_name("py-spy")
    target.output.parent.mkdir(parents=True, exist_ok=True)
    target.output.unlink(missing_ok=True)
    options = [f"--rate={RATE_HZ}", f"--duration={_LONGEST_S}", "--gil", "--nonblocking"]
    kind = f"--format={'flamegraph' if target.flame else 'raw'}"
    command = [str(binary), "record", f"--pid={target.pid}", *options, kind, f"--output={target.output}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(_STARTS_S)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        _out, said = process.communicate(timeout=_ENDS_S)
    if not target.output.is_file():
        raise ProfilerFailed(f"py-spy wrote nothing: {said.decode(errors='replace').strip()[-500:]}")
