"""Where the errors of gRPC and Triton become ours: one table, applied by one context manager."""

import asyncio
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
        # Nobody cancelled this task: the channel was closed under the call, and grpc.aio says so in this way.
        raise EngineUnavailable(f"Triton at {url}: the connection was closed", url=url) from error


def _leaf(error: grpc.aio.AioRpcError, url: str, model: str) -> StenodError:
    said = error.details() or error.code().name
    make = _LEAVES.get(error.code())
    if make is not None:
        return make(model, said)
    return EngineUnavailable(f"Triton at {url}: {said}", url=url, status=error.code().name)
