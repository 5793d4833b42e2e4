"""Traces: what a span is to the rest of the house, and nothing at all while nobody collects them.

Context travels as a W3C `traceparent` (https://www.w3.org/TR/trace-context/): in the metadata of gRPC, in headers of
HTTP, and with a job, which may run hours later on another node. `otel.py` has the real tracer.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Literal, Protocol, Self

TRACEPARENT: Final = "traceparent"
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str] = ContextVar("traceparent", default="")

Attribute = str | int | float | bool
Kind = Literal["internal", "server", "client"]


def current() -> str:
    """The traceparent of the span that is open here; empty: there is none."""
    return _current.get()


def received(traceparent: str) -> str:
    """What a caller sent, where it is one; else empty."""
    return traceparent if _FORM.fullmatch(traceparent) else ""


def outgoing() -> tuple[tuple[str, str], ...]:
    """What goes with a call to another service: one pair, or nothing."""
    traceparent = _current.get()
    return ((TRACEPARENT, traceparent),) if traceparent else ()


@contextmanager
def inside(traceparent: str) -> Iterator[None]:
    """Make this the current one. May be left in another task than it was entered in, as generators are."""
    before = _current.get()
    _current.set(traceparent)
    try:
        yield
    finally:
        _current.set(before)


class Span(Protocol):
    """Something that takes time. Never given what somebody said, or a secret."""

    def note(self, **attributes: Attribute) -> None:
        """Add what is known by now."""
        ...


class Tracer(Protocol):
    """Opens spans."""

    def span(
        self, name: str, *, kind: Kind = "internal", parent: str = "", is_current: bool = True, **attributes: Attribute
    ) -> AbstractContextManager[Span]:
        """A span until the context ends, which an exception ends as a failure. `parent` is a traceparent; without one
        it is the span that is open here. What is opened inside is a child where `is_current`.
        """
        ...

    def close(self) -> None:
        """Send what has not been sent. Blocks for some seconds at most; called once."""
        ...


class _Nothing:
    """A span that nobody looks at."""

    def note(self, **attributes: Attribute) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


_NOTHING: Final = _Nothing()


class NoTracer:
    """Implements `Tracer`: makes nothing, keeps nothing, sends nothing."""

    def span(
        self, name: str, *, kind: Kind = "internal", parent: str = "", is_current: bool = True, **attributes: Attribute
    ) -> _Nothing:
        del name, kind, parent, is_current, attributes
        return _NOTHING

    def close(self) -> None: ...


NO_TRACER: Final = NoTracer()
