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


# What the real ones said when they were killed, stopped, full, or not there (tests/proofs/triton.py does it again).
@pytest.mark.parametrize(
    ("code", "said", "fate"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Stream removed (recvmsg:Connection reset by peer (104))", "died"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", "died"),
        (grpc.StatusCode.UNAVAILABLE, "keepalive watchdog timeout", "died"),
        (grpc.StatusCode.INTERNAL, "Stub process 'sleeper_0_0' is not healthy.", "died"),
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNAVAILABLE: Socket closed",
            "absent",
        ),
        (grpc.StatusCode.UNAVAILABLE, "[request id: 1] Server is stopping, scheduler has stopped accepting", "absent"),
        (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", "refused"),
        (grpc.StatusCode.INTERNAL, "the recogniser failed", "refused"),
        (grpc.StatusCode.INTERNAL, "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))", "refused"),
    ],
)
def test_a_death_is_told_from_a_refusal(code: grpc.StatusCode, said: str, fate: str) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=said)
    with pytest.raises(EngineUnavailable) as raised, translated("host:1", "m"):
        raise error
    assert (raised.value.died, raised.value.absent) == (fate == "died", fate == "absent")
