"""Processor seconds by stage, of functions that call one another: a stage pauses while one inside it runs."""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any


class Stopwatch:
    """`seconds` and `calls` by stage. For one thread; its `clock` is the whole process's unless told otherwise."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._clock = clock
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._charge()
        self._open.append(name)
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        now = self._clock()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


@dataclass(frozen=True, slots=True)
class Probe:
    """`place` is `module:attribute` or `module:Class.method`, as the caller looks it up. `gives_items`: what it returns
    is an iterator, whose steps count too.
    """

    place: str
    stage: str
    gives_items: bool = False

    def owner(self) -> tuple[Any, str]:
        """Where the function hangs, and its name there. Raises LookupError where the code has changed."""
        module, _colon, path = self.place.partition(":")
        *classes, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for part in classes:
            owner = getattr(owner, part, None)
        if not hasattr(owner, name):
            raise LookupError(f"{self.place} is not there any more: bench/stages/probes.py wants another place")
        return owner, name


@contextmanager
def probing(probes: Sequence[Probe], watch: Stopwatch) -> Iterator[None]:
    """Time these functions wherever they are called in this process. Raises LookupError."""
    with ExitStack() as undo:
        for probe in probes:
            owner, name = probe.owner()
            function = getattr(owner, name)
            undo.callback(setattr, owner, name, function)
            setattr(owner, name, (_timed_items if probe.gives_items else _timed)(function, probe.stage, watch))
        yield


def _timed(function: Callable[..., Any], stage: str, watch: Stopwatch) -> Callable[..., Any]:
    @wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        with watch.stage(stage):
            return function(*given, **named)

    return timed


def _timed_items(function: Callable[..., Any], stage: str, watch: Stopwatch) -> Callable[..., Any]:
    @wraps(function)
    def timed(*given: Any, **named: Any) -> Iterator[Any]:
        with watch.stage(stage):
            items = iter(function(*given, **named))
        while True:
            with watch.stage(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    return timed
