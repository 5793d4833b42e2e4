"""Progress on standard error: bars on a terminal, plain lines elsewhere, so that logs stay readable."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    import stenod


@contextmanager
def phases(title: str) -> Iterator[Callable[[str, float], None]]:
    """Yields a function that takes a phase and 0..1."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def tell(phase: str, _ratio: float) -> None:
            if phase not in seen:
                seen.add(phase)
                typer.echo(f"{title}: {phase}", err=True)

        yield tell
        return
    with _bars() as bars:
        task = bars.add_task(title, total=1.0, speed="")
        yield lambda phase, ratio: bars.update(task, completed=ratio, description=f"{title}: {phase}")


class BatchDisplay:
    """Tells how far many files are: a bar for each file that is being worked on and one for all, or a line a file."""

    def __init__(self, file_count: int) -> None:
        self._file_count = file_count
        self._ended_count = 0
        self._audio_s = 0.0
        self._started_s = time.monotonic()
        self._bars = _bars() if sys.stderr.isatty() else None
        self._tasks: dict[str, TaskID] = {}
        self._total: TaskID | None = None

    def shown(self) -> "AbstractContextManager[Progress | None]":
        """The context in which the bars are on the screen."""
        if self._bars and self._file_count > 1:
            self._total = self._bars.add_task("all files", total=self._file_count, speed="")
        return self._bars or nullcontext()

    def started(self, file: str) -> None:
        if self._bars:
            self._tasks[file] = self._bars.add_task(f"{_short(file)}: sending", total=None, speed="")

    def update(self, file: str, job: "stenod.Job") -> None:
        if self._bars:
            ratio = job.progress_ratio if job.state == "RUNNING" else None
            self._bars.update(
                self._tasks[file],
                description=f"{_short(file)}: {job.state.lower()}",
                total=1.0 if ratio is not None else None,
                completed=ratio or 0.0,
                speed=_speed(job.done_s, (job.proto.update_time.ToNanoseconds() - _start_ns(job)) / 1e9),
            )

    def succeeded(self, file: str, job: "stenod.Job") -> None:
        audio_s = job.proto.transcript_info.duration.ToNanoseconds() / 1e9
        self._audio_s += audio_s
        work_s = audio_s / job.real_time_factor if job.real_time_factor else 0.0
        warnings = "".join(f"; {warning.message}" for warning in job.proto.transcript_info.warnings)
        self._end(file, f"{file}: {_summary(audio_s, work_s)}{warnings}")

    def failed(self, file: str, reason: str) -> None:
        self._end(file, f"{file}: {reason}")

    def remove(self, file: str) -> None:
        """Take the file's bar away, if it has one."""
        if self._bars and file in self._tasks:
            self._bars.remove_task(self._tasks.pop(file))

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """The context in which a terminal is free for other text."""
        if not self._bars or not sys.stdout.isatty():
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def finish(self, failed_count: int) -> None:
        """The last line; of a single file everything is said already."""
        if self._file_count > 1:
            done_count = self._file_count - failed_count
            summary = _summary(self._audio_s, time.monotonic() - self._started_s)
            typer.echo(f"{done_count} of {self._file_count} files transcribed: {summary}", err=True)

    def _end(self, file: str, line: str) -> None:
        self._ended_count += 1
        if not self._bars:
            typer.echo(line, err=True)
            return
        self._bars.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.remove(file)
        if self._total is not None:
            speed = _speed(self._audio_s, time.monotonic() - self._started_s)
            self._bars.update(self._total, completed=self._ended_count, speed=speed)


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[speed]}"),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # rich would send transcripts to standard error, too
    )


def _short(file: str) -> str:
    """A name that leaves room for the bar."""
    return Path(file).name[-40:]


def _start_ns(job: "stenod.Job") -> int:
    return job.proto.start_time.ToNanoseconds()


def _summary(audio_s: float, work_s: float) -> str:
    speed = _speed(audio_s, work_s)
    return f"{audio_s:.1f} s of audio in {work_s:.1f} s{', ' if speed else ''}{speed}"


def _speed(audio_s: float, work_s: float) -> str:
    return f"{audio_s / work_s:.1f} x real time" if audio_s > 0 and work_s > 0 else ""
