import asyncio

import grpc
import pytest

from stenod_server.engine.failures import translated
from stenod_server.errors import EngineUnavailable, InvalidField, ModelNotFound, StenodError, WindowTimeout

EXPECTED: dict[grpc.StatusCode, type[StenodError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidField,
    grpc.StatusCode.NOT_FOUND: ModelNotFound,
    grpc.StatusCode.DEADLINE_EXCEEDED: WindowTimeout,
}


def _rpc_error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="said")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_becomes_a_leaf_and_keeps_its_cause(code: grpc.StatusCode) -> None:
    cause = _rpc_error(code)
    with pytest.raises(EXPECTED.get(code, EngineUnavailable)) as raised, translated("host:1", "m"):
        raise cause
    assert raised.value.__cause__ is cause


async def test_a_channel_closed_under_a_call_is_no_cancellation() -> None:
    with pytest.raises(EngineUnavailable), translated("host:1"):
        raise asyncio.CancelledError


async def test_a_cancelled_task_stays_cancelled() -> None:
    started = asyncio.Event()

    async def call() -> None:
        with translated("host:1"):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_our_own_errors_pass_untouched() -> None:
    with pytest.raises(KeyError), translated("host:1"):
        raise KeyError
