"""What the bench and the systems it measures say to each other: one JSON request in, JSON lines out.

    bench ── Request on stdin ──►  a system's process
          ◄── ready, begin, run, figure, words ──  on its stdout

A system loads, says `ready` when it has transcribed one clip, goes through some more unmeasured (`Request.warm_up`, and
the joined file where that is asked for), and then runs the scenarios it was asked for, short ones several times. This
module is imported in the peers' environment too: the standard library and psutil only.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Self, TextIO

from bench.process_tree import ProcessTree

FILES_AT_ONCE = 32  # engines of the default model on two cores, and rows that its bare loop has in work
JOINED = "joined"  # the id of the text that a joined recording gave
WARM_UP_CLIPS = 32
REPEATED_S = 10.0
MOST_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording that a system is given."""

    id: str
    path: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Request:
    """`joined` is all the clips in one file, `single` the clip whose latency is taken; `threads` is what may be used.

    `cache_dir` outlives the run; `models_dir` is stenod's model repository, `model` as in catalogue.System.
    """

    scenarios: tuple[str, ...]
    clips: tuple[Clip, ...]
    joined: Clip
    single: Clip
    threads: int
    cache_dir: str
    models_dir: str
    model: str = ""

    @property
    def warm_up(self) -> tuple[Clip, ...]:
        """What a system does before it is measured: some of the clips, spread evenly."""
        return self.clips[:: max(1, len(self.clips) // WARM_UP_CLIPS)] or (self.single,)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        raw["clips"] = tuple(Clip(**clip) for clip in raw["clips"])
        raw["scenarios"] = tuple(raw["scenarios"])
        return cls(**{**raw, "joined": Clip(**raw["joined"]), "single": Clip(**raw["single"])})


@dataclass(frozen=True, slots=True)
class Word:
    """Seconds from the start of the recording."""

    text: str
    start_s: float
    end_s: float


class Report:
    """The system's side of the conversation."""

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._started = time.perf_counter()
        self._tree = ProcessTree(os.getpid())

    def ready(self, versions: Mapping[str, str], *, measured_pid: int | None = None) -> None:
        """Loaded and warm. What `measured_pid` and its descendants use is measured; this process where it is None."""
        pid = measured_pid or os.getpid()
        self._tree = ProcessTree(pid)
        load_s = time.perf_counter() - self._started
        self._say("ready", pid=pid, load_s=load_s, versions=dict(versions))

    @contextmanager
    def measured(self, scenario: str) -> Iterator[dict[str, str]]:
        """Everything inside is measured; the texts go into what it yields, by the id of their clip."""
        texts: dict[str, str] = {}
        self._say("begin", scenario=scenario)
        cpu_before_s, begun = self._tree.cpu_s(), time.perf_counter()
        yield texts
        wall_s = time.perf_counter() - begun
        self._say("run", scenario=scenario, wall_s=wall_s, cpu_s=self._tree.cpu_s() - cpu_before_s, texts=texts)

    def repeated(self, scenario: str) -> Iterator[AbstractContextManager[dict[str, str]]]:
        """`measured` as often as it takes to see `REPEATED_S` of it: what is over in three seconds says little once."""
        begun = time.perf_counter()
        for _ in range(MOST_REPEATS):
            yield self.measured(scenario)
            if time.perf_counter() - begun >= REPEATED_S:
                return

    def figure(self, name: str, value: float) -> None:
        """One measurement that is not a scenario; its name carries its unit."""
        self._say("figure", name=name, value=value)

    def words(self, clip_id: str, words: list[Word]) -> None:
        self._say("words", clip=clip_id, words=[asdict(word) for word in words])

    def _say(self, event: str, **fields: Any) -> None:
        self._channel.write(json.dumps({"event": event, **fields}) + "\n")
        self._channel.flush()


def serve(system: Callable[[Request, Report], None]) -> None:
    """Read the request, run the system. What libraries print goes to stderr: stdout is the conversation's."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        system(Request.from_json(sys.stdin.read()), Report(channel))
