"""Where the errors of gRPC and Triton become ours: one table, applied by one context manager."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import grpc

from stenod_server.errors import EngineUnavailable, InvalidField, ModelNotFound, StenodError, WindowTimeout

_Leaf = Callable[[str, str], StenodError]

# Keyed by status; the arguments are the model and Triton's words. What is not in the table (INTERNAL above all: a stub
# that was killed for memory answers so) counts as passing: the job is tried again, a bounded number of times.
_LEAVES: Final[Mapping[grpc.StatusCode, _Leaf]] = MappingProxyType(
    {
        grpc.StatusCode.INVALID_ARGUMENT: lambda _model, said: InvalidField("window", said),
        grpc.StatusCode.NOT_FOUND: lambda model, _said: ModelNotFound(model),
        grpc.StatusCode.DEADLINE_EXCEEDED: lambda model, _said: WindowTimeout(
            f"{model or 'Triton'} did not answer in time", model=model
        ),
        grpc.StatusCode.UNIMPLEMENTED: lambda _model, said: EngineUnavailable(f"no Triton answers there: {said}"),
    }
)

# A call that was under way when its connection broke. gRPC says so in words only, and says UNAVAILABLE also of what
# never left ("failed to connect to all addresses; last error: ..."), as Triton does of a full queue and when it stops.
_BROKEN_OFF: Final = re.compile(
    r"Stream removed|Socket closed|Connection (reset|timed out)|Broken pipe|keepalive|GOAWAY"
)
_NOT_TAKEN: Final = re.compile(r"^failed to connect|Server is stopping")
_LEAVING: Final = re.compile(r"Server (exiting|is stopping)")
_STUB_GONE: Final = re.compile(r"Stub process .* is not healthy")


@contextmanager
def translated(url: str, model: str = "") -> Iterator[None]:
    """Turn what grpc raises into leaves of `errors.py`. The task's own cancellation passes through untouched."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _leaf(error, url, model) from error
    except grpc.aio.UsageError as error:
        raise EngineUnavailable(f"Triton at {url}: the connection is closed", url=url) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this task: the call was given up, or its channel closed, and grpc.aio says so in this way.
        raise EngineUnavailable(f"Triton at {url}: the connection was closed", url=url) from error


def died(problem: StenodError) -> bool:
    """Whether Triton, or the process that runs the model in it, died or hung."""
    return isinstance(problem, EngineUnavailable) and problem.died


def is_useless(problem: StenodError) -> bool:
    """Whether a Triton that fails a window so will fail the next one, too."""
    return isinstance(problem, EngineUnavailable) and (problem.died or problem.absent)


def is_leaving(problem: StenodError) -> bool:
    """Whether Triton was told to end: it takes nothing new, finishes what it has within its time, and is gone."""
    return isinstance(problem, EngineUnavailable) and _LEAVING.search(problem.message) is not None


def stub_is_gone(problem: StenodError) -> bool:
    """Whether the process that runs the model has died while Triton itself lives on, and says that it is ready."""
    return died(problem) and _STUB_GONE.search(problem.message) is not None


def _leaf(error: grpc.aio.AioRpcError, url: str, model: str) -> StenodError:
    said = error.details() or error.code().name
    make = _LEAVES.get(error.code())
    if make is not None:
        return make(model, said)
    code, message = error.code(), f"Triton at {url}: {said}"
    not_taken = code is grpc.StatusCode.UNAVAILABLE and _NOT_TAKEN.search(said) is not None
    fatal = not not_taken and _was_fatal(code, said)
    return EngineUnavailable(message, died=fatal, absent=not_taken, url=url, status=code.name)


def _was_fatal(code: grpc.StatusCode, said: str) -> bool:
    """Whether Triton, or the stub that runs the model, died over a call that ended so.

    From outside, a connection that the network cut looks the same.
    """
    if code is grpc.StatusCode.UNAVAILABLE:
        return _BROKEN_OFF.search(said) is not None
    return code is grpc.StatusCode.INTERNAL and _STUB_GONE.search(said) is not None
