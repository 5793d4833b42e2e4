"""A call with many requests and one response, whose error is the one the server gave.

When a server ends such a call early, a write of the client fails at about the same time, and grpc.aio puts a status of
its own ("Internal error from Core") in the place of the server's (grpc/grpc#36066, seen with 1.85). Which of the two
comes first is chance, so every status is noted as it arrives, and the server's is the one that is raised.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

_Value = TypeVar("_Value")

_NOT_THE_SERVERS: Final = "Internal error from Core"
_STATUS_S: Final = 5.0  # how long the server's status may be on its way after a write has failed


async def send_all(call: Any, requests: AsyncIterator[Message]) -> Any:
    """Write every request, then return the response. Raises AioRpcError, or what `requests` raises; ends the call."""
    said: list[grpc.aio.AioRpcError] = []
    call.add_done_callback(lambda ended: said.append(_error_of(ended)))
    try:
        try:
            async for request in requests:
                await call.write(request)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the server answered before the last request; its answer says why
        return await asyncio.wait_for(call, _STATUS_S) if said else await call
    except (grpc.aio.AioRpcError, TimeoutError) as error:
        raise next(filter(_is_the_servers, said), error) from None
    finally:
        call.cancel()


def _is_the_servers(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is not grpc.StatusCode.OK and error.details() != _NOT_THE_SERVERS


def _error_of(ended: Any) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        _now(ended.code()), grpc.aio.Metadata(), _now(ended.trailing_metadata()), _now(ended.details())
    )


def _now(value: Coroutine[Any, Any, _Value]) -> _Value:
    """What a coroutine that has nothing to wait for returns: a call that has ended knows its status."""
    try:
        value.send(None)
    except StopIteration as result:
        known: _Value = result.value
        return known
    value.close()
    message = "a call that has ended does not know its status"
    raise RuntimeError(message)
